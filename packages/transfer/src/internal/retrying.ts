import * as Effect from "effect/Effect"
import type * as Schedule from "effect/Schedule"

/**
 * Runs an effect again as `Effect.retry` does, if it fails with an error that `mayRetry` accepts. The schedule is started
 * only then: starting one takes as long as a request in memory, and most effects do not fail.
 */
export const retrying = <E>(
  mayRetry: (error: E) => boolean,
  options: {
    readonly schedule: Schedule.Schedule<unknown, E>
    readonly while?: (error: E) => boolean
    readonly times?: number
  }
) =>
<A, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.catchAll(effect, (error) => {
    if (!mayRetry(error)) return Effect.fail(error)
    let isFirst = true
    const attempt = Effect.suspend(() => {
      if (!isFirst) return effect
      isFirst = false
      return Effect.fail(error)
    })
    return Effect.retry(attempt, { while: mayRetry, ...options })
  })
