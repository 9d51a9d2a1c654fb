import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"

/**
 * Runs several effects at once and returns the first success. The others are interrupted in the background. If one of
 * them succeeds anyway, `late` receives its value. If all fail, fails with all errors, in the order of the effects.
 */
export const race = <A, E, R>(
  contenders: ReadonlyArray<Effect.Effect<A, E, R>>,
  late: (value: A) => Effect.Effect<void>
): Effect.Effect<A, ReadonlyArray<E>, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Deferred.make<A, ReadonlyArray<E>>(), (settled) => {
      const causes: Array<Cause.Cause<E>> = []
      let left = contenders.length
      let over = false
      const run = (contender: Effect.Effect<A, E, R>, index: number) =>
        Effect.interruptible(contender).pipe(
          Effect.onExit((exit) => {
            if (exit._tag === "Success") {
              if (over) return late(exit.value)
              over = true
              return Deferred.succeed(settled, exit.value)
            }
            causes[index] = exit.cause
            left--
            return left === 0 ? Deferred.done(settled, failed(causes)) : Effect.void
          }),
          Effect.forkDaemon
        )
      return Effect.flatMap(Effect.forEach(contenders, run), (fibers) =>
        Effect.ensuring(
          restore(Deferred.await(settled)),
          Effect.suspend(() => {
            over = true
            return Effect.forEach(fibers, Fiber.interruptFork, { discard: true })
          })
        ))
    })
  )

/** Fails with all errors, or dies if one of the effects died. */
const failed = <E>(causes: ReadonlyArray<Cause.Cause<E>>): Exit.Exit<never, ReadonlyArray<E>> => {
  const errors: Array<E> = []
  for (const cause of causes) {
    const error = Cause.failureOption(cause)
    if (Option.isNone(error)) return Exit.failCause(cause as Cause.Cause<never>)
    errors.push(error.value)
  }
  return Exit.fail(errors)
}
