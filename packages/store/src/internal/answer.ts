import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

/**
 * Goes on with what a service answers. Where it has answered already (its effect is an `Exit`, as those of a store in
 * memory are) so has the result: a server can take it without running a fiber, which is most of what a small read costs.
 */
export const andThen = <A, E, R, B, E2, R2>(
  effect: Effect.Effect<A, E, R>,
  onFailure: (error: E) => Effect.Effect<B, E2, R2>,
  onSuccess: (value: A) => Effect.Effect<B, E2, R2>
): Effect.Effect<B, E2, R | R2> => {
  if (!Exit.isExit(effect)) return Effect.matchEffect(effect, { onFailure, onSuccess })
  const exit = effect as Exit.Exit<A, E>
  if (exit._tag === "Success") return onSuccess(exit.value)
  const failure = Cause.failureOption(exit.cause)
  return failure._tag === "Some" ? onFailure(failure.value) : exit as Exit.Exit<never>
}

/** The same with other errors; an answer that is there already is passed on as it is. */
export const mapError = <A, E, R, E2>(
  effect: Effect.Effect<A, E, R>,
  f: (error: E) => E2
): Effect.Effect<A, E2, R> => {
  if (!Exit.isExit(effect)) return Effect.mapError(effect, f)
  const exit = effect as Exit.Exit<A, E>
  return exit._tag === "Success"
    ? exit as Exit.Exit<A>
    : andThen(exit, (error) => Effect.fail(f(error)), Effect.succeed)
}
