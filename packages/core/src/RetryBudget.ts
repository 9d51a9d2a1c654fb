/**
 * A retry budget that all parts of one operation share.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"

/**
 * A budget of retries.
 *
 * @since 0.1.0
 * @category models
 */
export interface Budget {
  /** Takes one retry from the budget. Returns `false` if no retry is left. */
  readonly take: () => boolean
}

/**
 * Creates a budget with the given number of retries, zero or more. Code that shares a budget, even concurrently, makes
 * no more retries in total than the budget has.
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
 * The retry budget of the running operation, or `undefined` if nothing retries yet.
 *
 * The outermost code that retries creates a budget and provides it to the retried effect. Inner code that retries takes
 * each of its retries from that budget, in addition to its own limit. Nested retries therefore add up and do not
 * multiply.
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
