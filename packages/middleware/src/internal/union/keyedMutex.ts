import * as Effect from "effect/Effect"

/** A keyed mutex: effects with the same key run one after another, in the order in which they arrive. */
export type InTurn = (key: string) => <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

interface Turn {
  readonly lock: Effect.Semaphore
  users: number
}

/** Creates a keyed mutex. A key that is not in use takes no memory. */
export const inTurn = (): InTurn => {
  const turns = new Map<string, Turn>()
  return (key) => (effect) =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        const turn = turns.get(key) ?? { lock: Effect.unsafeMakeSemaphore(1), users: 0 }
        turn.users++
        turns.set(key, turn)
        return turn
      }),
      ({ lock }) => lock.withPermits(1)(effect),
      (turn) =>
        Effect.sync(() => {
          turn.users--
          if (turn.users === 0) turns.delete(key)
        })
    )
}
