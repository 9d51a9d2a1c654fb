import * as Answer from "@effect-oci/core/Answer"
import { methods } from "@effect-oci/protocol/Endpoint"
import * as ErrorBody from "@effect-oci/protocol/ErrorBody"
import * as Route from "@effect-oci/protocol/Route"
import type * as Wire from "@effect-oci/protocol/Wire"
import * as Duration from "effect/Duration"
import type { Respond } from "./totalResponse.js"

/** The response headers that a page may read, in addition to those that every page may read. */
const exposed = [
  "accept-ranges",
  "content-length",
  "content-range",
  "docker-content-digest",
  "docker-distribution-api-version",
  ErrorBody.header,
  "etag",
  "link",
  "location",
  "oci-chunk-min-length",
  "oci-filters-applied",
  "oci-namespace",
  "oci-subject",
  "oci-tag",
  "range",
  "retry-after",
  "upload-offset",
  "warning",
  "www-authenticate"
].join(", ")

/** The request headers that a page may send, in addition to those that every page may send. */
const sent = [
  "accept",
  "authorization",
  "content-range",
  "content-type",
  "if-match",
  "if-none-match",
  "if-range",
  "range",
  "upload-offset"
].join(", ")

interface Settings {
  readonly origins: ReadonlyArray<string> | "*"
  readonly maxAge?: Duration.DurationInput | undefined
}

/**
 * Lets web pages of the given origins use the registry. See the
 * [CORS protocol](https://fetch.spec.whatwg.org/#http-cors-protocol).
 */
export const apply = ({ maxAge, origins }: Settings) => {
  const age = String(Math.floor(Duration.toSeconds(maxAge ?? "1 hour")))
  const varies: Wire.Headers = origins === "*" ? {} : { vary: "origin" }
  const allow = (origin: string | undefined): Wire.Headers | undefined => {
    if (origin === undefined) return undefined
    if (origins === "*") return { "access-control-allow-origin": "*" }
    return origins.includes(origin) ? { ...varies, "access-control-allow-origin": origin } : undefined
  }
  return (answer: Respond): Respond => (request) => {
    const allowed = allow(request.headers["origin"])
    if (allowed !== undefined && isPreflight(request)) return Answer.succeed(preflight(request, allowed, age))
    const more = allowed === undefined ? varies : { ...allowed, "access-control-expose-headers": exposed }
    return Answer.map(answer(request), (response) => ({ ...response, headers: { ...response.headers, ...more } }))
  }
}

/** Returns whether a request is a preflight: a browser sends it before the real request, without credentials. */
const isPreflight = ({ headers, method }: Wire.Request): boolean =>
  method === "OPTIONS" && headers["access-control-request-method"] !== undefined

const preflight = ({ target }: Wire.Request, allowed: Wire.Headers, age: string): Wire.Response => {
  const route = Route.parse(target.replace(/\?.*$/s, ""))
  return {
    status: 204,
    headers: {
      ...allowed,
      "access-control-allow-methods": route === undefined ? "GET" : methods(route._tag).join(", "),
      "access-control-allow-headers": sent,
      "access-control-max-age": age
    },
    body: undefined
  }
}
