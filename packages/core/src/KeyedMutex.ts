/**
 * Keyed mutexes: effects with the same key run one after another.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"

/**
 * Runs effects with the same key one after another, in the order in which they arrive. An effect with several keys locks
 * them in sorted order, so effects do not deadlock.
 *
 * @since 0.1.0
 * @category models
 */
export interface KeyedMutex {
  (...keys: ReadonlyArray<string>): <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

/**
 * Creates a keyed mutex. A key that is not in use takes no memory.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (): KeyedMutex => {
  const locks = new Map<string, { readonly semaphore: Effect.Semaphore; users: number }>()
  const locked = <A, E, R>(effect: Effect.Effect<A, E, R>, key: string): Effect.Effect<A, E, R> =>
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
  return (...keys) => (effect) => keys.toSorted().reduceRight(locked, effect)
}
