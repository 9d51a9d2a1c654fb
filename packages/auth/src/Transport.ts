/**
 * Transports: functions from one HTTP client to another, of which each does one thing.
 *
 * @since 0.1.0
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import type * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import type { HttpClientError } from "@effect/platform/HttpClientError"
import type { HttpClientRequest } from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import { globalValue } from "effect/GlobalValue"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Origin from "./Origin.js"

/**
 * A wrapper of an HTTP client. One that fails with an error of a registry puts it into the `cause` of a `RequestError`:
 * the registry's methods then fail with that very error.
 *
 * @since 0.1.0
 * @category models
 */
export interface Transport {
  (client: HttpClient.HttpClient): HttpClient.HttpClient
}

/**
 * How a request is sent.
 *
 * @since 0.1.0
 * @category models
 */
export interface Send {
  (request: HttpClientRequest): Effect.Effect<HttpClientResponse, HttpClientError>
}

type Parts = {
  readonly preprocess: HttpClient.HttpClient.Preprocess<HttpClientError, never>
  readonly postprocess: HttpClient.HttpClient.Postprocess<HttpClientError, never>
}

/** The platform keeps apart what a client does to each request and how it sends them, and does not show it. */
const partsOf = (client: HttpClient.HttpClient): Parts =>
  Predicate.hasProperty(client, "preprocess") && Predicate.hasProperty(client, "postprocess")
    ? client as unknown as Parts
    : { preprocess: Effect.succeed, postprocess: Effect.flatMap(client.execute) }

/**
 * A transport that takes over each request: it may send it by `send`, several times, or others in its place. What the
 * client below adds to every request of its own (`HttpClient.mapRequest`) is added before, and not again by `send`: a
 * credential that was added so does not go where a redirect leads.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  f: (request: HttpClientRequest, send: Send) => Effect.Effect<HttpClientResponse, HttpClientError>
): Transport =>
(client) => {
  const { postprocess, preprocess } = partsOf(client)
  const send: Send = (request) => postprocess(Effect.succeed(request))
  return HttpClient.makeWith<HttpClientError, never, HttpClientError, never>(
    Effect.flatMap((request) => f(request, send)),
    preprocess
  )
}

/**
 * Several transports as one: the last is outermost, as in a pipe.
 *
 * @since 0.1.0
 * @category combinators
 */
export const compose = (...transports: ReadonlyArray<Transport>): Transport => (client) =>
  transports.reduce((inner, transport) => transport(inner), client)

/**
 * Has the client below do what it does to every request (`HttpClient.mapRequest`), such as to add a program's own
 * headers, to those at one origin alone: a registry chooses where other requests go.
 *
 * @since 0.1.0
 * @category constructors
 */
export const homebound = (home: Origin.Origin): Transport => (client) => {
  const { postprocess, preprocess } = partsOf(client)
  return preprocess === Effect.succeed ? client : HttpClient.makeWith<HttpClientError, never, HttpClientError, never>(
    postprocess,
    (request) =>
      Option.exists(Origin.parse(request.url), (origin) => Equal.equals(origin, home))
        ? preprocess(request)
        : Effect.succeed(request)
  )
}

const replayable = globalValue("@effect-oci/auth/Transport/replayable", () => new WeakSet<HttpBody.HttpBody>())

/**
 * Says of a body that its stream gives the same bytes each time it is run.
 *
 * @since 0.1.0
 * @category replay
 */
export const markReplayable = <B extends HttpBody.HttpBody>(body: B): B => {
  replayable.add(body)
  return body
}

/**
 * Whether a body can be sent again: bytes in hand can, a stream only where that was said of it. A transport that sends
 * a request twice asks this first, for a stream that was read is an empty one to the platform.
 *
 * @since 0.1.0
 * @category replay
 */
export const isReplayable = (body: HttpBody.HttpBody): boolean =>
  body._tag === "Empty" || body._tag === "Uint8Array" || replayable.has(body)

/**
 * Has `FetchHttpClient` treat redirects in a way of its own for one request. Its other settings are kept where they are
 * in the context of the effect that asks. Other clients leave redirects alone.
 *
 * @since 0.1.0
 * @category redirects
 */
export const withFetchRedirect = <A, E>(effect: Effect.Effect<A, E>, redirect: RequestRedirect): Effect.Effect<A, E> =>
  Effect.mapInputContext(effect, (context: Context.Context<never>) => {
    const settings = context.unsafeMap.get(FetchHttpClient.RequestInit.key) as RequestInit | undefined
    return Context.add(context, FetchHttpClient.RequestInit, { ...settings, redirect })
  })
