/**
 * Redirects.
 *
 * @since 0.1.0
 */
import * as Transport from "@effect-oci/auth/Transport"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Headers from "@effect/platform/Headers"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as content from "../internal/content.js"

/**
 * How many redirects are followed where nothing else is said.
 *
 * @since 0.1.0
 * @category constants
 */
export const defaultMaxRedirects = 10

/**
 * How far redirects are followed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** How many are followed: 10 if not given. */
  readonly maxRedirects?: number | undefined
  /** Whether a body may be redirected to another scheme, host or port: true if not given. */
  readonly foreignUploads?: boolean | undefined
}

const statuses = new Set([301, 302, 303, 307, 308])

/**
 * What goes to another origin. All else that a request says may be, or hold, a secret that was meant for the first:
 * `Authorization`, `Cookie`, and headers that a program adds of its own.
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

/** What speaks of a body. */
const bodily = ["content-type", "content-length", "content-range", "upload-offset"]

/**
 * Follows the statuses 301, 302, 303, 307 and 308, at most `maxRedirects` times (10).
 *
 * - The method stays, but for 303, which is followed by GET (or HEAD).
 * - `Authorization`, `Cookie`, and all headers but those that speak of content, go to no other scheme, host or port than
 *   they were meant for, and do not come back with a later redirect. Spec: "Endpoints"; GHSA-vh4v-2xq2-g5cg.
 * - https is never left for http.
 * - A body that cannot be sent again (`Transport.isReplayable`) is not sent again: the request fails.
 *
 * The client below must leave redirects alone, as those of Node do. `FetchHttpClient` is told so by its `RequestInit`;
 * settings of your own have to be in the context of the effect that asks, where they are seen and kept. A browser shows
 * a redirect to nobody: there it follows them itself, by its own rules, which are as strict.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options?: Options): Transport.Transport => {
  const maxRedirects = options?.maxRedirects ?? defaultMaxRedirects
  return Transport.make((request, send) => {
    const follow = (
      request: HttpClientRequest.HttpClientRequest,
      response: HttpClientResponse,
      followed: number
    ): Effect.Effect<HttpClientResponse, HttpClientError.HttpClientError> => {
      if (response.status === 0) return Transport.withFetchRedirect(send(request), "follow")
      const location = statuses.has(response.status) ? response.headers["location"] : undefined
      if (location === undefined) return Effect.succeed(response)
      const next = followed < maxRedirects
        ? redirected(request, response.status, location, options?.foreignUploads ?? true)
        : Either.left(invalid(`it redirects more than ${maxRedirects} times`))
      return Effect.zipRight(
        content.dismiss(content.of(response)),
        Either.isRight(next)
          ? Effect.flatMap(send(next.right), (response) => follow(next.right, response, followed + 1))
          : Effect.fail(new HttpClientError.RequestError({ request, reason: "InvalidUrl", cause: next.left }))
      )
    }
    return Transport.withFetchRedirect(
      Effect.flatMap(send(request), (response) => follow(request, response, 0)),
      "manual"
    )
  })
}

const invalid = (reason: string) =>
  new RegistryError.ResponseInvalid({ reason: `the registry's answer breaks the protocol: ${reason}` })

/** The request that a redirect asks for. */
const redirected = (
  request: HttpClientRequest.HttpClientRequest,
  status: number,
  location: string,
  foreignUploads: boolean
): Either.Either<HttpClientRequest.HttpClientRequest, RegistryError.RegistryError> => {
  const from = UrlParams.makeUrl(request.url, request.urlParams, request.hash)
  if (Either.isLeft(from) || !URL.canParse(location, from.right.href)) {
    return Either.left(invalid("it redirects to what is no URL"))
  }
  const to = new URL(location, from.right)
  if (to.protocol !== "https:" && to.protocol !== "http:") return Either.left(invalid("it redirects away from HTTP"))
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
        reason: `the registry redirects the body to ${to.origin}: the option foreignUploads allows it`
      })
    )
  }
  return Transport.isReplayable(request.body)
    ? Either.right(HttpClientRequest.modify(HttpClientRequest.get(to.href, { headers: bound }), {
      method: request.method,
      body: request.body
    }))
    : Either.left(
      new RegistryError.BodyFailed({ reason: "the registry redirects the body, which cannot be sent a second time" })
    )
}
