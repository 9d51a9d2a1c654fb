/**
 * A wrapper that limits concurrency and rate of operations.
 *
 * Use it to protect a registry, to respect the limits of a remote one, or to share a registry fairly between teams and
 * callers.
 *
 * @since 0.1.0
 */
import { Registry } from "@effect-oci/core"
import type { Caller, Middleware, Operation } from "@effect-oci/core"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { Limiter } from "./internal/limit/limiter.js"
import type { Limits } from "./internal/limit/limiterState.js"

/**
 * How many operations of each kind may run at the same time. Default: no limit.
 *
 * @since 0.1.0
 * @category models
 */
export interface Concurrency {
  /** Open contents of blobs (`GetBlob`), each until its scope closes. */
  readonly reads?: number | undefined
  /** Bodies in transfer (`PushBlob`, `AppendUpload`, `CompleteUpload` with a last chunk). */
  readonly writes?: number | undefined
  /** All other operations, which the registry answers at once, and pages of lists. */
  readonly small?: number | undefined
}

/**
 * How many operations may start: `operations` in the time `per`, evenly, and after an idle period up to `burst` of them
 * at once. Default of `burst`: `operations`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Rate {
  readonly operations: number
  readonly per: Duration.DurationInput
  readonly burst?: number | undefined
}

/**
 * Options for {@link middleware}: the limits, and which operations share them.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The limit of concurrency. A number applies to each kind separately. Default: no limit. */
  readonly concurrency?: number | Concurrency | undefined
  readonly rate?: Rate | undefined
  /**
   * Which operations share one limit: all operations on the same repository (`"repository"`); all operations of the
   * same caller (`"caller"`), by name or, for anonymous callers of a server, by network (`Caller.key`); or all
   * operations for which a function returns the same key. The function is called at each operation. A limit that is not
   * in use is forgotten. Default: all operations share one limit.
   */
  readonly by?:
    | "repository"
    | "caller"
    | ((operation: Operation.Operation, caller: Caller.Identity) => string)
    | undefined
  /**
   * How many operations may wait for one limit. If the queue is full, an operation fails with `TooManyRequests`.
   * Default: no limit.
   */
  readonly queue?: number | undefined
}

/**
 * Creates a middleware that queues operations above a limit. Small operations go before operations that move content,
 * but one in five is an operation that moves content, if one waits. Otherwise the queue is first in, first out.
 * Interruption removes an operation from the queue. If the queue is full, an operation fails with `TooManyRequests`;
 * `retryAfter` is an estimate of when to retry.
 *
 * Contents that are read, bodies that are written, and small operations have separate permits. So a copy
 * within the registry, which needs one permit of each kind, never waits for itself and ends under any limit.
 * Operations that the body of a write makes while it flows use the permit of the write. Only a caller that keeps
 * several contents open at the same time needs as many `reads`.
 *
 * Law: results do not change, except for `TooManyRequests`.
 *
 * @since 0.1.0
 * @category middleware
 * @throws RangeError if a limit is not a valid number
 */
export const middleware = (options: Options): Effect.Effect<Middleware.Middleware> => {
  const limits = limitsOf(options)
  return Effect.sync(() => {
    const limiter = new Limiter(limits, options.queue ?? Infinity, options.by)
    return (next) => (operation) => limiter.handle(next, operation)
  })
}

/**
 * Creates a layer that requires a registry, and provides that registry with its operations limited. {@link wrap} does
 * the same in a pipe.
 *
 * @since 0.1.0
 * @category layers
 * @throws RangeError if a limit is not a valid number
 */
export const layer = (options: Options): Layer.Layer<Registry, never, Registry> =>
  Registry.layerMiddleware(middleware(options))

/**
 * Wraps the registry of a layer so that its operations are limited.
 *
 * @since 0.1.0
 * @category layers
 * @throws RangeError if a limit is not a valid number
 * @example
 * ```ts
 * import type { Registry } from "@effect-oci/core"
 * import { Limit } from "@effect-oci/middleware"
 * import type { Layer } from "effect"
 *
 * // Each caller has four reads, four writes and ten operations a second, and up to a hundred operations in the queue.
 * const fair = (registry: Layer.Layer<Registry>) =>
 *   registry.pipe(
 *     Limit.wrap({ by: "caller", concurrency: 4, rate: { operations: 10, per: "1 second" }, queue: 100 })
 *   )
 * ```
 */
export const wrap = (options: Options): <E, R>(registry: Layer.Layer<Registry, E, R>) => Layer.Layer<Registry, E, R> =>
  Registry.wrap(middleware(options))

const limitsOf = ({ concurrency, queue, rate }: Options): Limits => {
  const all = typeof concurrency === "number"
    ? { reads: concurrency, writes: concurrency, small: concurrency }
    : concurrency ?? {}
  const permits = (name: keyof Concurrency) => atLeast(1, `concurrency.${name}`, all[name] ?? Infinity)
  if (queue !== undefined) atLeast(0, "queue", queue)
  return {
    permits: { read: permits("reads"), write: permits("writes"), small: permits("small") },
    rate: rate && {
      capacity: atLeast(1, "rate.burst", rate.burst ?? Math.max(1, Math.floor(rate.operations))),
      perMilli: positive("rate.operations", rate.operations) / positive("rate.per", Duration.toMillis(rate.per))
    }
  }
}

const atLeast = (least: number, name: string, value: number): number => {
  if (value === Infinity || (Number.isSafeInteger(value) && value >= least)) return value
  throw new RangeError(`Limit: ${name} must be a whole number of at least ${least}, or Infinity, not ${value}`)
}

const positive = (name: string, value: number): number => {
  if (Number.isFinite(value) && value > 0) return value
  throw new RangeError(`Limit: ${name} must be more than 0, not ${value}`)
}
