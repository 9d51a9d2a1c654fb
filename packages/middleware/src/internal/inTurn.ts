import * as Effect from "effect/Effect"

/** Lets effects of one key wait for each other, in the order that they come. */
export type InTurn = (key: string) => <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

interface Turn {
  readonly lock: Effect.Semaphore
  users: number
}

/** Nothing is kept of a key that nobody uses. */
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
