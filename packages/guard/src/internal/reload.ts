import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"

/** Loads a value, and loads it again at an interval until the scope closes. Keeps the last value if a load fails. */
export const make = <A, E extends Error, R>(
  load: Effect.Effect<A, E, R>,
  every: Duration.DurationInput
): Effect.Effect<() => A, E, R | Scope.Scope> =>
  Effect.gen(function*() {
    let current = yield* load
    yield* load.pipe(
      Effect.map((next) => {
        current = next
      }),
      Effect.catchAll(({ message }) => Effect.annotateLogs(Effect.logError("keys not reloaded"), { reason: message })),
      Effect.schedule(Schedule.spaced(every)),
      Effect.forkScoped
    )
    return () => current
  })
