import * as Handler from "@effect-oci/core/Handler"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"

/**
 * Goes on with what a service answers. Where it has answered already (its effect is an `Exit`, as those of a store in
 * memory are) so has the result: a server can take it without running a fiber, which is most of what a small read costs.
 * Only `Exit.fail` makes a failure that is an `Exit`: `Effect.fail` asks its fiber for the current span first.
 */
export const andThen = <A, E, R, B, E2, R2>(
  effect: Effect.Effect<A, E, R>,
  onFailure: (error: E) => Effect.Effect<B, E2, R2>,
  onSuccess: (value: A) => Effect.Effect<B, E2, R2>
): Effect.Effect<B, E2, R | R2> => {
  const exit = Handler.exitOf(effect)
  if (exit === undefined) return Effect.matchEffect(effect, { onFailure, onSuccess })
  return exit._tag === "Success" ? onSuccess(exit.value) : Option.match(Cause.failureOption(exit.cause), {
    onNone: () => Exit.failCause(exit.cause as Cause.Cause<never>),
    onSome: onFailure
  })
}

/** The same with other errors; an answer that is there already is passed on as it is. */
export const mapError = <A, E, R, E2>(effect: Effect.Effect<A, E, R>, f: (error: E) => E2): Effect.Effect<A, E2, R> =>
  Handler.exitOf(effect)?._tag === "Success"
    ? effect as Effect.Effect<A, never, R>
    : andThen(effect, (error) => Exit.fail(f(error)), Exit.succeed)
