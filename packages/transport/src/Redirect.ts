/**
 * Redirects.
 *
 * @since 0.1.0
 */
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Headers from "@effect/platform/Headers"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as RequestContext from "./RequestContext.js"
import * as ResponseBody from "./ResponseBody.js"
import * as Transport from "./Transport.js"

/**
 * The default limit on how many redirects are followed.
 *
 * @since 0.1.0
 * @category constants
 */
export const defaultMaxRedirects = 10

/**
 * Options for following redirects.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** How many redirects are followed. Default: 10. */
  readonly maxRedirects?: number | undefined
  /** Whether a body may be redirected to another scheme, host or port. Default: `true`. */
  readonly foreignUploads?: boolean | undefined
}

/**
 * The URL that redirected a request to another one, for a request that follows a redirect. Default: `undefined`, for
 * all other requests. The HTTP client inside the transport reads it in the context of the request.
 *
 * @since 0.1.0
 * @category context
 */
export class RedirectedFrom extends Context.Reference<RedirectedFrom>()("@effect-oci/transport/Redirect/From", {
  defaultValue: (): string | undefined => undefined
}) {}

const statuses = new Set([301, 302, 303, 307, 308])

/**
 * The headers that are sent to another origin. Every other header may contain a secret that is meant for the first
 * origin: `Authorization`, `Cookie`, and headers that a program adds.
 */
const harmless = new Set([
  "accept",
  "accept-encoding",
  "accept-language",
  "cache-control",
  "content-encoding",
  "content-length",
  "content-range",
  "content-type",
  "if-match",
  "if-modified-since",
  "if-none-match",
  "if-range",
  "range",
  "upload-offset",
  "user-agent"
])

const publicOf = (headers: Headers.Headers): Headers.Headers =>
  Headers.fromInput(Object.entries(headers).filter(([name]) => harmless.has(name)))

/** The headers that describe a body. */
const bodily = ["content-type", "content-length", "content-range", "upload-offset"]

/**
 * Creates a transport that follows the statuses 301, 302, 303, 307 and 308, at most `maxRedirects` times. Default: 10.
 *
 * - The method stays the same, except for 303: then the next request is a GET (or a HEAD).
 * - Only headers that describe content are sent to another scheme, host or port. `Authorization`, `Cookie` and all
 *   others are not, and a later redirect does not bring them back.
 *   [Spec](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#endpoints); GHSA-vh4v-2xq2-g5cg.
 * - A redirect from https to http is refused.
 * - If the body cannot be sent again (`Transport.isReplayable`), the request fails.
 *
 * The HTTP client inside this transport must not follow redirects itself. The clients of Node do not. For
 * `FetchHttpClient` this transport sets `RequestInit`. Your own settings must be in the context of the effect that
 * makes the call: then they are kept. A browser does not show redirects to programs. There the browser follows them by
 * its own rules, which are as strict.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options?: Options): Transport.Transport => {
  const maxRedirects = options?.maxRedirects ?? defaultMaxRedirects

  const follow = (
    request: HttpClientRequest.HttpClientRequest,
    within: RequestContext.RequestContext,
    send: Transport.SendIn,
    response: HttpClientResponse,
    followed: number
  ): Effect.Effect<HttpClientResponse, HttpClientError.HttpClientError> => {
    if (response.status === 0) return send(request, RequestContext.withFetchRedirect(within, "follow"))
    const location = statuses.has(response.status) ? response.headers["location"] : undefined
    if (location === undefined) return Effect.succeed(response)
    const next = followed < maxRedirects
      ? redirected(request, response.status, location, options?.foreignUploads ?? true)
      : Either.left(invalid(`it redirects more than ${maxRedirects} times`))
    return Effect.zipRight(
      ResponseBody.dismiss(ResponseBody.fromResponse(response)),
      Either.isRight(next)
        ? Effect.flatMap(
          send(next.right, RequestContext.add(within, RedirectedFrom, request.url)),
          (response) => follow(next.right, within, send, response, followed + 1)
        )
        : Effect.fail(new HttpClientError.RequestError({ request, reason: "InvalidUrl", cause: next.left }))
    )
  }

  return Transport.makeIn((request, within, send) => {
    const unfollowed = RequestContext.withFetchRedirect(within, "manual")
    return Effect.flatMap(send(request, unfollowed), (response) => follow(request, unfollowed, send, response, 0))
  })
}

const invalid = (reason: string) =>
  new RegistryError.ResponseInvalid({ reason: `the registry's answer breaks the protocol: ${reason}` })

/** Returns the request that a redirect leads to. */
const redirected = (
  request: HttpClientRequest.HttpClientRequest,
  status: number,
  location: string,
  foreignUploads: boolean
): Either.Either<HttpClientRequest.HttpClientRequest, RegistryError.RegistryError> => {
  const from = UrlParams.makeUrl(request.url, request.urlParams, request.hash)
  if (Either.isLeft(from) || !URL.canParse(location, from.right.href)) {
    return Either.left(invalid("it redirects to an invalid URL"))
  }
  const to = new URL(location, from.right)
  if (to.protocol !== "https:" && to.protocol !== "http:") {
    return Either.left(invalid("it redirects to a URL that is not http or https"))
  }
  if (to.protocol === "http:" && from.right.protocol === "https:") {
    return Either.left(invalid("it redirects from https to http"))
  }
  to.username = ""
  to.password = ""
  to.hash = ""
  const bound = to.origin === from.right.origin ? request.headers : publicOf(request.headers)
  if (status === 303) {
    return Either.right(
      HttpClientRequest.make(request.method === "HEAD" ? "HEAD" : "GET")(to.href, {
        headers: Headers.remove(bound, bodily)
      })
    )
  }
  if (!foreignUploads && to.origin !== from.right.origin && request.body._tag !== "Empty") {
    return Either.left(
      new RegistryError.Refused({
        by: "Redirect",
        reason: `the registry redirects the body to another origin, ${to.origin}: set foreignUploads to allow it`
      })
    )
  }
  return Transport.isReplayable(request.body)
    ? Either.right(HttpClientRequest.modify(HttpClientRequest.get(to.href, { headers: bound }), {
      method: request.method,
      body: request.body
    }))
    : Either.left(
      new RegistryError.BodyFailed({
        reason: "the registry redirects the request, and its body cannot be sent again: use a replayable body"
      })
    )
}
