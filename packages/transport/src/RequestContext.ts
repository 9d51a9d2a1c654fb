/**
 * The context in which an HTTP client sends a request.
 *
 * Each change of a fiber's context copies all references of the fiber. So transports pass the context of a request from one
 * to the next as a value, and the fiber that sends the request gets it once.
 *
 * @since 0.1.0
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type * as FiberId from "effect/FiberId"
import * as FiberRef from "effect/FiberRef"
import * as FiberRefs from "effect/FiberRefs"
import { constTrue } from "effect/Function"
import * as Runtime from "effect/Runtime"
import type * as RuntimeFlags from "effect/RuntimeFlags"

/**
 * The context in which an HTTP client sends a request: the context of a fiber, and the services that transports added.
 *
 * @since 0.1.0
 * @category models
 */
export interface RequestContext {
  /** The context of the fiber that makes the call. */
  readonly base: Context.Context<never>
  /** The services that were added, the last one first. */
  readonly added: Added | undefined
  /**
   * Whether the platform's client creates no span for the request. Such a span contains the whole URL and the headers.
   */
  readonly untraced: boolean
}

/**
 * A service that was added to the context of a request. A list of them costs less than a copy of the context for each.
 *
 * @since 0.1.0
 * @category models
 */
export interface Added {
  readonly key: string
  readonly service: unknown
  readonly before: Added | undefined
}

/**
 * Returns a context to send a request in. Nothing is added to it yet.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  context: Context.Context<never>,
  options?: { readonly untraced?: boolean | undefined }
): RequestContext => ({ base: context, added: undefined, untraced: options?.untraced ?? false })

/**
 * Returns the context of a fiber.
 *
 * @since 0.1.0
 * @category constructors
 */
export const of = ({ currentContext }: Fiber.RuntimeFiber<unknown, unknown>): RequestContext => make(currentContext)

/**
 * Adds a service to the context of a request.
 *
 * @since 0.1.0
 * @category combinators
 */
export const add = <I, S>(
  { added, base, untraced }: RequestContext,
  tag: Context.Tag<I, S>,
  service: NoInfer<S>
): RequestContext => ({ base, added: { key: tag.key, service, before: added }, untraced })

/**
 * Returns a service of the context of a request, or `undefined` if the context does not contain it.
 *
 * @since 0.1.0
 * @category getters
 */
export const get = <I, S>({ added, base }: RequestContext, tag: Context.Tag<I, S>): S | undefined => {
  for (let next = added; next !== undefined; next = next.before) {
    if (next.key === tag.key) return next.service as S
  }
  return base.unsafeMap.get(tag.key) as S | undefined
}

/**
 * Returns the context with the services that were added.
 *
 * @since 0.1.0
 * @category destructors
 */
export const toContext = ({ added, base }: RequestContext): Context.Context<never> => {
  if (added === undefined) return base
  const services = new Map(base.unsafeMap)
  const set = ({ before, key, service }: Added): void => {
    if (before !== undefined) set(before)
    services.set(key, service)
  }
  set(added)
  return Context.unsafeMake(services)
}

/**
 * Sets how `FetchHttpClient` handles the redirects of a request. Other settings of `FetchHttpClient.RequestInit` are kept.
 * Other clients do not follow redirects.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withFetchRedirect = (self: RequestContext, redirect: RequestRedirect): RequestContext =>
  get(self, FetchHttpClient.RequestInit)?.redirect === redirect ? self : withFetchSettings(self, { redirect })

const withFetchSettings = (self: RequestContext, settings: RequestInit): RequestContext =>
  add(self, FetchHttpClient.RequestInit, { ...get(self, FetchHttpClient.RequestInit), ...settings })

/**
 * Makes `FetchHttpClient` neither follow redirects nor use the cache of a browser. A browser that has a part of the content
 * in its cache asks the server only for the rest. That changes the range of a signed request, so the server refuses it.
 * Other settings of `FetchHttpClient.RequestInit` are kept. Other clients do neither.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withPlainFetch = (self: RequestContext): RequestContext => withFetchSettings(self, plainFetch)

// Runtimes without such a cache may refuse the setting.
const plainFetch: RequestInit = "cache" in Request.prototype
  ? { redirect: "manual", cache: "no-store" }
  : { redirect: "manual" }

/** The part of Effect's fibers that sets the value of a reference. Their type lacks it. */
interface Settable {
  readonly setFiberRef: <A>(ref: FiberRef.FiberRef<A>, value: A) => void
}

/**
 * Runs an effect in the context of a request, like `Effect.provide`, at half its cost.
 *
 * @since 0.1.0
 * @category combinators
 */
export const provide = <A, E>(
  effect: Effect.Effect<A, E>,
  within: RequestContext
): Effect.Effect<A, E> =>
  Effect.withFiberRuntime((fiber) => {
    const before = fiber.currentContext
    const { untraced } = within
    if (before === within.base && within.added === undefined && !untraced) return effect
    const isTracerDisabled = fiber.getFiberRef(HttpClient.currentTracerDisabledWhen)
    const settable = fiber as unknown as Settable
    const set = (context: Context.Context<never>, isDisabled: typeof isTracerDisabled) => {
      settable.setFiberRef(FiberRef.currentContext, context)
      if (untraced) settable.setFiberRef(HttpClient.currentTracerDisabledWhen, isDisabled)
    }
    return Effect.uninterruptibleMask((restore) => {
      set(toContext(within), constTrue)
      return Effect.matchCauseEffect(restore(effect), {
        onSuccess: (value) => {
          set(before, isTracerDisabled)
          return Effect.succeed(value)
        },
        onFailure: (cause) => {
          set(before, isTracerDisabled)
          return Effect.failCause(cause)
        }
      })
    })
  })

/**
 * Starts a fiber that sends a request in a context. All other references are those of the given fiber. `send` receives
 * the context of the new fiber.
 *
 * @since 0.1.0
 * @category combinators
 */
export const unsafeFork = <A, E>(
  send: (within: RequestContext) => Effect.Effect<A, E>,
  within: RequestContext,
  fiber: Fiber.RuntimeFiber<unknown, unknown>,
  runtimeFlags: RuntimeFlags.RuntimeFlags
): Fiber.RuntimeFiber<A, E> => {
  const context = toContext(within)
  return Runtime.runFork(
    Runtime.make({ context, fiberRefs: fiber.getFiberRefs(), runtimeFlags }),
    send(make(context)),
    within.untraced ? disableTracer : undefined
  )
}

const disableTracer: Runtime.RunForkOptions = {
  updateRefs: (refs: FiberRefs.FiberRefs, fiberId: FiberId.Runtime) =>
    FiberRefs.updateAs(refs, { fiberId, fiberRef: HttpClient.currentTracerDisabledWhen, value: constTrue })
}
