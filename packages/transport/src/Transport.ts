/**
 * Transports: functions from one HTTP client to another. Each transport does one thing.
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
import * as FiberRef from "effect/FiberRef"
import { globalValue } from "effect/GlobalValue"
import * as Predicate from "effect/Predicate"
import * as Origin from "./Origin.js"

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

type Parts = {
  readonly preprocess: HttpClient.HttpClient.Preprocess<HttpClientError, never>
  readonly postprocess: HttpClient.HttpClient.Postprocess<HttpClientError, never>
}

/**
 * Returns what a client does to each request, and how it sends requests. The platform keeps these apart, but does not
 * export them.
 */
const partsOf = (client: HttpClient.HttpClient): Parts =>
  Predicate.hasProperty(client, "preprocess") && Predicate.hasProperty(client, "postprocess")
    ? client as unknown as Parts
    : { preprocess: Effect.succeed, postprocess: Effect.flatMap(client.execute) }

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
  const { postprocess, preprocess } = partsOf(client)
  const send: Send = (request) => postprocess(Effect.succeed(request))
  return HttpClient.makeWith<HttpClientError, never, HttpClientError, never>(
    Effect.flatMap((request) => f(request, send)),
    preprocess
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
  const { postprocess, preprocess } = partsOf(client)
  const homeText = Origin.format(home)
  const isHome = (url: string) => Origin.isAt(homeText, url) || Equal.equals(Origin.parse(url), home)
  return preprocess === Effect.succeed ? client : HttpClient.makeWith<HttpClientError, never, HttpClientError, never>(
    postprocess,
    (request) => isHome(request.url) ? preprocess(request) : Effect.succeed(request)
  )
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
 * Sets how `FetchHttpClient` handles redirects for one request. Other settings of `FetchHttpClient.RequestInit` in the
 * context of the effect are kept. Other clients do not follow redirects.
 *
 * @since 0.1.0
 * @category redirects
 */
export const withFetchRedirect = <A, E>(effect: Effect.Effect<A, E>, redirect: RequestRedirect): Effect.Effect<A, E> =>
  mapContext(effect, (context) => {
    const settings = context.unsafeMap.get(FetchHttpClient.RequestInit.key) as RequestInit | undefined
    return Context.add(context, FetchHttpClient.RequestInit, { ...settings, redirect })
  })

/** The part of Effect's fibers that sets the value of a reference. Their type lacks it. */
interface Settable {
  readonly setFiberRef: <A>(ref: FiberRef.FiberRef<A>, value: A) => void
}

/**
 * Changes the context of an effect, like `Effect.mapInputContext`, at half its cost: transports do this for every request.
 *
 * @since 0.1.0
 * @category combinators
 */
export const mapContext = <A, E>(
  effect: Effect.Effect<A, E>,
  f: (context: Context.Context<never>) => Context.Context<never>
): Effect.Effect<A, E> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.withFiberRuntime((fiber) => {
      const before = fiber.getFiberRef(FiberRef.currentContext)
      const set = (context: Context.Context<never>) =>
        (fiber as unknown as Settable).setFiberRef(FiberRef.currentContext, context)
      set(f(before))
      return Effect.matchCauseEffect(restore(effect), {
        onSuccess: (value) => {
          set(before)
          return Effect.succeed(value)
        },
        onFailure: (cause) => {
          set(before)
          return Effect.failCause(cause)
        }
      })
    })
  )
