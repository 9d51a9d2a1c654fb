import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import type * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"

/** What was got, and the scope that it is open in. */
export interface Held<A> {
  readonly value: A
  readonly scope: Scope.CloseableScope
}

/**
 * The same effect in a scope of its own: closed at once where the effect fails or is interrupted, and otherwise with the
 * scope of who asks, or before.
 */
export const isolated = <A, E, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<Held<A>, E, Exclude<R, Scope.Scope> | Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(
      Effect.scope,
      (outer) =>
        Effect.flatMap(Scope.fork(outer, ExecutionStrategy.sequential), (scope) =>
          restore(Scope.extend(effect, scope)).pipe(
            Effect.onExit((exit: Exit.Exit<A, E>) =>
              exit._tag === "Success" ? Effect.void : Scope.close(scope, exit)
            ),
            Effect.map((value) => ({ value, scope }))
          ))
    )
  )
