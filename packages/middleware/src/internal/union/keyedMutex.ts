import * as Effect from "effect/Effect"

/** A keyed mutex: effects with the same key run one after another, in the order in which they arrive. */
export type KeyedMutex = (key: string) => <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** Creates a keyed mutex. A key that is not in use takes no memory. */
export const keyedMutex = (): KeyedMutex => {
  const locks = new Map<string, { readonly semaphore: Effect.Semaphore; users: number }>()
  return (key) => (effect) =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        const lock = locks.get(key) ?? { semaphore: Effect.unsafeMakeSemaphore(1), users: 0 }
        lock.users++
        locks.set(key, lock)
        return lock
      }),
      ({ semaphore }) => semaphore.withPermits(1)(effect),
      (lock) =>
        Effect.sync(() => {
          lock.users--
          if (lock.users === 0) locks.delete(key)
        })
    )
}
