import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import type * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"

/** A value, and the scope in which it is open. */
export interface Scoped<A> {
  readonly value: A
  readonly scope: Scope.CloseableScope
}

/**
 * Runs an effect in its own scope. The scope is closed at once if the effect fails or is interrupted. Otherwise it is
 * closed with the scope of the caller, or earlier by the caller.
 */
export const ownScope = <A, E, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<Scoped<A>, E, Exclude<R, Scope.Scope> | Scope.Scope> =>
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
