import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"

/** Creates a layer that runs an effect at its start, and then again and again. Logs its failures with a message. */
export const layer = <A, E, R>(
  interval: Duration.DurationInput,
  message: string,
  effect: Effect.Effect<A, E, R>
): Layer.Layer<never, never, R> =>
  Layer.scopedDiscard(
    Effect.forkScoped(
      Effect.repeat(
        Effect.catchAllCause(effect, (cause) => Effect.logWarning(message, cause)),
        Schedule.spaced(interval)
      )
    )
  )
