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
import type * as Fiber from "effect/Fiber"
import type * as FiberId from "effect/FiberId"
import * as FiberRef from "effect/FiberRef"
import * as FiberRefs from "effect/FiberRefs"
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

/** The parts of Effect's fibers that contain and set the values of all references. Their type lacks them. */
interface References {
  readonly _fiberRefs?: FiberRefs.FiberRefs
  readonly setFiberRefs: (refs: FiberRefs.FiberRefs) => void
}

/** Returns the references of the running fiber as they are. `getFiberRefs` returns a copy. */
const refsOf = (fiber: Fiber.RuntimeFiber<unknown, unknown>): FiberRefs.FiberRefs =>
  (fiber as unknown as References)._fiberRefs ?? fiber.getFiberRefs()

/**
 * Changes the context of an effect, like `Effect.mapInputContext`, at a fraction of its cost: transports do this for every
 * request. The contexts before and after are not compared, and the references are put back as they were.
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
      const before = refsOf(fiber)
      const context = fiber.getFiberRef(FiberRef.currentContext)
      const within = withContext(before, fiber.id(), f(context))
      const set = (refs: FiberRefs.FiberRefs) => (fiber as unknown as References).setFiberRefs(refs)
      const reset = () => {
        const now = refsOf(fiber)
        // The effect may have changed other references.
        set(now === within ? before : withContext(now, fiber.id(), context))
      }
      set(within)
      return Effect.matchCauseEffect(restore(effect), {
        onSuccess: (value) => {
          reset()
          return Effect.succeed(value)
        },
        onFailure: (cause) => {
          reset()
          return Effect.failCause(cause)
        }
      })
    })
  )

/** Returns references with another context. */
const withContext = (
  refs: FiberRefs.FiberRefs,
  id: FiberId.Runtime,
  context: Context.Context<never>
): FiberRefs.FiberRefs => {
  const locals = new Map(refs.locals)
  const [newest, ...older] = locals.get(FiberRef.currentContext) ?? []
  const others = newest === undefined || newest[0] === id ? older : [newest, ...older]
  return FiberRefs.unsafeMake(locals.set(FiberRef.currentContext, [[id, context], ...others]))
}
