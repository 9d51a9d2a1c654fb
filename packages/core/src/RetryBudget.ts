/**
 * One budget of retries for all that an operation does.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"

/**
 * How often may still be tried again.
 *
 * @since 0.1.0
 * @category models
 */
export interface Budget {
  /** Whether one more retry may be made; if so, it is taken. */
  readonly take: () => boolean
}

/**
 * A budget of so many retries: zero or more. One of them is taken at a time, so that those who share it, at the same
 * time too, make no more of them together.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (retries: number): Budget => {
  let left = retries
  return {
    take: () => {
      if (!(left >= 1)) return false
      left -= 1
      return true
    }
  }
}

/**
 * The budget of the running operation: `undefined` where nobody retries yet. Whoever retries first, outermost, makes
 * one and provides it to what is tried; whoever retries within finds it, and takes from it for each retry, within its
 * own limit as well. So a retry inside a retry adds to it, and does not multiply it.
 *
 * @since 0.1.0
 * @category services
 * @example
 * ```ts
 * import { RetryBudget } from "@effect-oci/core"
 * import { Effect } from "effect"
 *
 * const retried = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
 *   Effect.flatMap(RetryBudget.RetryBudget, (outer) => {
 *     const budget = outer ?? RetryBudget.make(3)
 *     return effect.pipe(
 *       Effect.provideService(RetryBudget.RetryBudget, budget),
 *       Effect.retry({ times: 3, while: budget.take })
 *     )
 *   })
 * ```
 */
export class RetryBudget extends Context.Reference<RetryBudget>()("@effect-oci/core/RetryBudget", {
  defaultValue: (): Budget | undefined => undefined
}) {}
