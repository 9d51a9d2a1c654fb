/**
 * A wrapper that retries operations and resumes transfers.
 *
 * Use it for connections that break and for registries that are unavailable for a moment.
 *
 * @since 0.1.0
 */
import { Handler, Registry, RegistryError } from "@effect-oci/core"
import type { Middleware, Operation } from "@effect-oci/core"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { constTrue } from "effect/Function"
import type * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import type { Policy } from "./internal/retry/attempts.js"
import { rows } from "./internal/retry/rows.js"

/**
 * Options for {@link middleware}: which errors are retried, how often, and after how long.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * The maximum number of retries of an operation. Retries of inner wrappers and of the client count too. Default: 5.
   */
  readonly retries?: number | undefined
  /** The wait before the first retry. Each wait is twice as long as the last. Default: 200 milliseconds. */
  readonly delay?: Duration.DurationInput | undefined
  /** The longest wait. Default: 10 seconds. */
  readonly maxDelay?: Duration.DurationInput | undefined
  /**
   * Whether each wait is shortened at random, by up to half, so that clients that failed at the same time do not retry
   * at the same time. Default: `true`.
   */
  readonly jitter?: boolean | undefined
  /**
   * The longest wait that the registry may request by `retryAfter`. This wait is added to the delay. Default: 1 minute.
   */
  readonly maxRetryAfter?: Duration.DurationInput | undefined
  /**
   * Selects the errors to retry, among those for which `RegistryError.isTransient` returns `true`. Default: all of
   * them.
   */
  readonly while?: ((error: RegistryError.RegistryError, operation: Operation.Operation) => boolean) | undefined
}

/**
 * Creates a middleware that retries an operation after a transient error (`RegistryError.isTransient`):
 *
 * - The content of a blob resumes by range from the last byte received, if the blob and its size are the same. Resumed
 *   content is not `verified`: the methods of a `Registry`, and a server, verify it as a whole.
 * - A list resumes after the last item received.
 * - A blob is pushed again if its body can be replayed or was not read yet, unless the registry already has the blob.
 *   If the body cannot be replayed, the error says so.
 * - A chunk resumes at the offset that the registry reports. An upload that has been completed is not completed again.
 * - All other operations are repeated if `Operation.traits` says that they may be. If the response to a delete was lost
 *   and the retry finds nothing, the delete has succeeded. If the retry of a push with `ifAbsent` or `ifMatch` finds
 *   its own tags, the push has succeeded.
 *
 * All attempts of an operation, including those of inner wrappers and transports, share one `RetryBudget`. When the
 * budget is used up, the operation fails with the last error, which contains the number of attempts.
 *
 * Law: over a registry that does not fail, it equals that registry, except for `verified` of content that streams.
 *
 * @throws RangeError if `retries` is not a number of 0 or more
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = (options?: Options): Middleware.Middleware => {
  const policy = policyOf(options)
  return (next) => Handler.fromTable(rows(policy, next))
}

const policyOf = (options: Options = {}): Policy => {
  const { jitter = true, retries = 5 } = options
  if (!(retries >= 0)) throw new RangeError(`Retry: retries must be a number of 0 or more, not ${retries}`)
  const isWanted = options.while ?? constTrue
  const delay = Duration.toMillis(options.delay ?? "200 millis")
  const maxDelay = Duration.toMillis(options.maxDelay ?? "10 seconds")
  const maxRetryAfter = Duration.toMillis(options.maxRetryAfter ?? "1 minute")
  const wait = (millis: number, error: RegistryError.RegistryError) =>
    Effect.sleep(millis + Math.min(retryAfter(error), maxRetryAfter))
  return {
    retries,
    isWorthIt: (error, operation) => RegistryError.isTransient(error) && isWanted(error, operation),
    wait: (retry, error) => {
      const millis = Math.min(delay * 2 ** (retry - 1), maxDelay)
      return jitter
        ? Effect.flatMap(Random.nextRange(0.5, 1), (share) => wait(millis * share, error))
        : wait(millis, error)
    }
  }
}

/**
 * Returns how long the registry asks the client to wait, in milliseconds; for several registries, the longest of the
 * waits.
 */
const retryAfter = (error: RegistryError.RegistryError): number =>
  error._tag === "OciPartialFailure"
    ? Math.max(0, ...error.outcomes.map((outcome) => outcome.error === undefined ? 0 : retryAfter(outcome.error)))
    : error.retryAfter ?? 0

/**
 * Creates a layer that requires a registry, and provides that registry with retries. {@link wrap} does the same in a
 * pipe.
 *
 * @throws RangeError if `retries` is not a number of 0 or more
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<Registry, never, Registry> =>
  Registry.layerMiddleware(middleware(options))

/**
 * Wraps the registry of a layer so that operations are retried and transfers resume.
 *
 * @throws RangeError if `retries` is not a number of 0 or more
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import type { Registry } from "@effect-oci/core"
 * import { Retry } from "@effect-oci/middleware"
 * import type { Layer } from "effect"
 *
 * const patient = (upstream: Layer.Layer<Registry>) =>
 *   upstream.pipe(Retry.wrap({ retries: 10, maxDelay: "30 seconds" }))
 * ```
 */
export const wrap = (options?: Options): <E, R>(registry: Layer.Layer<Registry, E, R>) => Layer.Layer<Registry, E, R> =>
  Registry.wrap(middleware(options))
