/**
 * Transports: functions from one HTTP client to another. Each transport does one thing.
 *
 * @since 0.1.0
 */
import * as Settled from "@effect-oci/core/Settled"
import type * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import type { HttpClientError } from "@effect/platform/HttpClientError"
import type { HttpClientRequest } from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import { globalValue } from "effect/GlobalValue"
import * as Predicate from "effect/Predicate"
import * as Origin from "./Origin.js"
import * as RequestContext from "./RequestContext.js"

/**
 * A wrapper of an HTTP client. A transport that fails with a `RegistryError` puts it into the `cause` of a
 * `RequestError`. The methods of the registry client then fail with that `RegistryError`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Transport {
  (client: HttpClient.HttpClient): HttpClient.HttpClient
}

/**
 * A function that sends a request.
 *
 * @since 0.1.0
 * @category models
 */
export interface Send {
  (request: HttpClientRequest): Effect.Effect<HttpClientResponse, HttpClientError>
}

/**
 * A function that sends a request in a context.
 *
 * @since 0.1.0
 * @category models
 */
export interface SendIn {
  (
    request: HttpClientRequest,
    within: RequestContext.RequestContext
  ): Effect.Effect<HttpClientResponse, HttpClientError>
}

/** What a client does to each request, and how it sends requests. */
interface Parts {
  readonly preprocess: HttpClient.HttpClient.Preprocess<HttpClientError, never>
  readonly send: SendIn
}

/** How the clients that transports create send requests, so that one transport calls the next without the platform's layers. */
const senders = globalValue(
  "@effect-oci/transport/Transport/senders",
  () => new WeakMap<HttpClient.HttpClient, SendIn>()
)

type PlatformParts = Pick<Parts, "preprocess"> & {
  readonly postprocess: HttpClient.HttpClient.Postprocess<HttpClientError, never>
}

/** Returns the parts of a client. The platform keeps them apart, but does not export them. */
const partsOf = (client: HttpClient.HttpClient): Parts => {
  const { postprocess, preprocess } =
    Predicate.hasProperty(client, "preprocess") && Predicate.hasProperty(client, "postprocess")
      ? client as unknown as PlatformParts
      : { preprocess: Effect.succeed, postprocess: Effect.flatMap(client.execute) }
  return {
    preprocess,
    send: senders.get(client) ??
      ((request, within) => RequestContext.provide(postprocess(Effect.succeed(request)), within))
  }
}

const fromParts = ({ preprocess, send }: Parts): HttpClient.HttpClient => {
  const client = HttpClient.makeWith<HttpClientError, never, HttpClientError, never>(
    Effect.flatMap(plain(send)),
    preprocess
  )
  senders.set(client, send)
  return client
}

/** Returns a function that sends a request in the context of the fiber. */
const plain = (send: SendIn): Send => (request) =>
  Effect.withFiberRuntime((fiber) => send(request, RequestContext.of(fiber)))

/**
 * Creates a transport from a function that handles each request. The function may send the request with `send`, several
 * times, or send other requests in its place. What the inner client adds to every request (`HttpClient.mapRequest`) is
 * added before the function runs, and `send` does not add it again: a credential that was added so does not follow a
 * redirect.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  f: (request: HttpClientRequest, send: Send) => Effect.Effect<HttpClientResponse, HttpClientError>
): Transport =>
(client) => {
  const { preprocess, send } = partsOf(client)
  const inner = plain(send)
  return fromParts({
    preprocess,
    send: (request, within) => RequestContext.provide(Effect.suspend(() => f(request, inner)), within)
  })
}

/**
 * Creates a transport like {@link make}, from a function that receives the context of the request as a value, and passes it
 * to `send`. The function costs less, but its own effects run in the context of the caller. The function only creates an
 * effect: it must do nothing before that effect runs.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeIn = (
  f: (
    request: HttpClientRequest,
    within: RequestContext.RequestContext,
    send: SendIn
  ) => Effect.Effect<HttpClientResponse, HttpClientError>
): Transport =>
(client) => {
  const { preprocess, send } = partsOf(client)
  return fromParts({ preprocess, send: (request, within) => f(request, within, send) })
}

/**
 * Creates a transport that changes each request, like `HttpClient.mapRequest`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const mapRequest = (f: (request: HttpClientRequest) => HttpClientRequest): Transport => (client) => {
  const { preprocess, send } = partsOf(client)
  return fromParts({ preprocess: (request) => Settled.map(preprocess(request), f), send })
}

/**
 * Returns how a client sends a request, as its `execute` does, but in a given context.
 *
 * @since 0.1.0
 * @category destructors
 */
export const executeIn = (client: HttpClient.HttpClient): SendIn => {
  const { preprocess, send } = partsOf(client)
  return (request, within) =>
    Settled.flatMap(
      Settled.ifPending(preprocess(request), (pending) => RequestContext.provide(pending, within)),
      (request) => send(request, within)
    )
}

/**
 * Combines several transports. The last transport is the outermost, as in a pipe.
 *
 * @since 0.1.0
 * @category combinators
 */
export const compose = (...transports: ReadonlyArray<Transport>): Transport => (client) =>
  transports.reduce((inner, transport) => transport(inner), client)

/**
 * Restricts what the inner client does to every request (`HttpClient.mapRequest`), such as adding headers of the
 * program, to requests to one origin. The registry chooses where other requests go.
 *
 * @since 0.1.0
 * @category constructors
 */
export const sameOrigin = (home: Origin.Origin): Transport => (client) => {
  const { preprocess, send } = partsOf(client)
  const homeText = Origin.format(home)
  const isHome = (url: string) => Origin.isAt(homeText, url) || Equal.equals(Origin.parse(url), home)
  return preprocess === Effect.succeed ? client : fromParts({
    preprocess: (request) => isHome(request.url) ? preprocess(request) : Effect.succeed(request),
    send
  })
}

const replayable = globalValue("@effect-oci/auth/Transport/replayable", () => new WeakSet<HttpBody.HttpBody>())

/**
 * Marks a body whose stream returns the same bytes each time it runs.
 *
 * @since 0.1.0
 * @category replay
 */
export const markReplayable = <B extends HttpBody.HttpBody>(body: B): B => {
  replayable.add(body)
  return body
}

/**
 * Returns whether a body can be sent again: bytes can, and a stream can if it is marked by {@link markReplayable}. A
 * transport that sends a request twice must check this first: the platform sends a stream that was already read as an
 * empty body.
 *
 * @since 0.1.0
 * @category replay
 */
export const isReplayable = (body: HttpBody.HttpBody): boolean =>
  body._tag === "Empty" || body._tag === "Uint8Array" || replayable.has(body)

/**
 * Makes `FetchHttpClient` neither follow redirects nor use the cache of a browser, for the requests of an effect. See
 * `RequestContext.withPlainFetch`.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withPlainFetch = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.withFiberRuntime((fiber) =>
    RequestContext.provide(effect, RequestContext.withPlainFetch(RequestContext.of(fiber)))
  )
