/**
 * Quirks: how other registries differ, so that clients can be tested against what they will meet.
 *
 * @since 0.1.0
 */
import * as Body from "@effect-oci/core/Body"
import * as Route from "@effect-oci/protocol/Route"
import * as Warning from "@effect-oci/protocol/Warning"
import type * as Wire from "@effect-oci/protocol/Wire"
import * as Effect from "effect/Effect"
import type { Answer } from "./internal/totalAnswer.js"

/**
 * What a server does otherwise than it should, or than most do. None of it unless said.
 *
 * @since 0.1.0
 * @category models
 */
export interface Quirks {
  /** No referrers API: a plain 404, and no `OCI-Subject`. Distribution 2.8, and every registry of before 1.1. */
  readonly noReferrers?: boolean | undefined
  /** Referrers are not filtered by artifact type. Spec: "Listing Referrers" has it as a should. */
  readonly noFilter?: boolean | undefined
  /** Lists end with their page: no `Link`. */
  readonly noLink?: boolean | undefined
  /** No `Docker-Content-Digest`, which was no must before 1.1. */
  readonly noDigestHeader?: boolean | undefined
  /** A blob is not taken in one POST: an upload is opened for it. Distribution, and most others. */
  readonly noSinglePost?: boolean | undefined
  /** `?tag=` is not known: a push by digest sets no tag. All registries of 1.1. */
  readonly noTagParameter?: boolean | undefined
  /** Locations are whole URLs, or relative to that of the request, with a query of their own: not plain paths. */
  readonly location?: "absolute" | "relative" | "query" | undefined
  /** A chunk is answered with 201 rather than 202. Amazon ECR. */
  readonly patchCreated?: boolean | undefined
  /** `Range` speaks of the first chunk for ever, and nothing else says where an upload stands. Amazon ECR. */
  readonly stuckRange?: boolean | undefined
  /** Ranges of blobs are not known: all of it is sent. */
  readonly noRange?: boolean | undefined
  /** The least that a chunk may have, in bytes, but for the last: `OCI-Chunk-Min-Length`. Stores on S3. */
  readonly minChunkBytes?: number | undefined
  /** What the server says to people with every answer. Spec: "Warnings". */
  readonly warnings?: ReadonlyArray<string> | undefined
  /** Whoever asks by HEAD is answered with 401, and as it is HEAD with no word more. Proxies that know only GET. */
  readonly unauthorizedHead?: boolean | undefined
  /** Errors are pages for people: HTML, with the status alone. */
  readonly htmlErrors?: boolean | undefined
}

/**
 * A server with quirks.
 *
 * @since 0.1.0
 * @category combinators
 */
export const apply = (quirks: Quirks) => (answer: Answer): Answer => (request) => {
  const route = Route.parse(request.target.replace(/\?.*$/s, ""))?._tag
  if (quirks.noReferrers === true && route === "Referrers") return Effect.succeed(notFound)
  return Effect.map(answer(asked(request, route, quirks)), (response) => answered(response, request, route, quirks))
}

const page = (status: number, text: string): Pick<Wire.Response, "headers" | "body"> => {
  const bytes = new TextEncoder().encode(text)
  return {
    headers: {
      "content-type": text.startsWith("<") ? "text/html" : "text/plain; charset=utf-8",
      "content-length": String(bytes.byteLength)
    },
    body: status === 204 ? undefined : Body.bytes(bytes)
  }
}

const unauthorized: Wire.Response = {
  status: 401,
  headers: { "www-authenticate": `Basic realm="registry"` },
  body: undefined
}

const notFound: Wire.Response = { status: 404, ...page(404, "404 page not found\n") }

/** What the server hears of a request. */
const asked = (request: Wire.Request, route: Route.RouteTag | undefined, quirks: Quirks): Wire.Request => {
  const { headers, method, target } = request
  if (quirks.noRange === true && route === "Blob") return { ...request, headers: { ...headers, range: undefined } }
  if (quirks.noSinglePost === true && route === "Uploads" && method === "POST") {
    return { ...request, target: without(target, "digest") }
  }
  if (quirks.noTagParameter === true && route === "Manifest") return { ...request, target: without(target, "tag") }
  if (quirks.noFilter === true && route === "Referrers") return { ...request, target: without(target, "artifactType") }
  return request
}

const without = (target: string, parameter: string): string => {
  const [path = "", query] = target.split("?", 2)
  const rest = new URLSearchParams(query)
  rest.delete(parameter)
  return rest.size === 0 ? path : `${path}?${rest}`
}

/** What its client hears of a response. */
const answered = (
  response: Wire.Response,
  request: Wire.Request,
  route: Route.RouteTag | undefined,
  quirks: Quirks
): Wire.Response => {
  if (quirks.unauthorizedHead === true && request.method === "HEAD") return { ...response, ...unauthorized }
  if (quirks.htmlErrors === true && response.status >= 400) {
    const { body, headers } = page(response.status, `<html><body><h1>${response.status}</h1></body></html>`)
    return { ...response, headers, body: request.method === "HEAD" ? undefined : body }
  }
  const headers: Record<string, string | undefined> = { ...response.headers }
  if (quirks.warnings !== undefined) headers["warning"] = Warning.format(quirks.warnings)
  if (quirks.minChunkBytes !== undefined && headers["upload-offset"] !== undefined && response.status !== 201) {
    headers["oci-chunk-min-length"] = String(quirks.minChunkBytes)
  }
  if (quirks.noLink === true) delete headers["link"]
  if (quirks.noDigestHeader === true) delete headers["docker-content-digest"]
  if (quirks.noReferrers === true) delete headers["oci-subject"]
  if (quirks.noTagParameter === true) delete headers["oci-tag"]
  if (quirks.noRange === true) delete headers["accept-ranges"]
  if (quirks.stuckRange === true && headers["range"] !== undefined) {
    delete headers["upload-offset"]
    headers["range"] = "0-0"
  }
  if (quirks.location !== undefined && headers["location"] !== undefined) {
    headers["location"] = relocate(headers["location"], request, quirks.location)
  }
  const created = quirks.patchCreated === true && route === "Upload" && request.method === "PATCH" &&
    response.status === 202
  return { ...response, headers, status: created ? 201 : response.status }
}

const relocate = (location: string, request: Wire.Request, form: NonNullable<Quirks["location"]>): string => {
  switch (form) {
    case "absolute":
      return `http://${request.headers["host"] ?? "localhost"}${location}`
    case "query":
      return `${location}?_state=opaque%2Fstate&empty=`
    case "relative": {
      const base = request.target.replace(/\?.*$/s, "").split("/").slice(0, -1)
      const parts = location.split("/")
      const shared = parts.findIndex((part, index) => part !== base[index])
      const at = shared < 0 ? base.length : shared
      return [...base.slice(at).map(() => ".."), ...parts.slice(at)].join("/")
    }
  }
}
