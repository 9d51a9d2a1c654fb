import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as MutableHashMap from "effect/MutableHashMap"
import * as Option from "effect/Option"

interface Flight<A, E> {
  readonly fiber: Fiber.RuntimeFiber<A, E>
  waiting: number
}

/**
 * Creates a function that runs one effect at a time for each key. Concurrent callers with the same key share the
 * running effect. The effect runs in its own fiber: interruption of one caller does not affect the others, and
 * interruption of all callers interrupts the effect. Keys are compared by `Equal.equals`.
 */
export const make = <K, A, E>(): (key: K, effect: Effect.Effect<A, E>) => Effect.Effect<A, E> => {
  const flights = MutableHashMap.empty<K, Flight<A, E>>()

  const remove = (key: K, flight: Flight<A, E>) => {
    if (Option.contains(MutableHashMap.get(flights, key), flight)) MutableHashMap.remove(flights, key)
  }

  const start = (key: K, effect: Effect.Effect<A, E>) =>
    Effect.map(Effect.forkDaemon(Effect.interruptible(effect)), (fiber) => {
      const flight: Flight<A, E> = { fiber, waiting: 0 }
      MutableHashMap.set(flights, key, flight)
      fiber.addObserver(() => remove(key, flight))
      return flight
    })

  const leave = (key: K, flight: Flight<A, E>) =>
    Effect.suspend(() => {
      flight.waiting -= 1
      if (flight.waiting > 0) return Effect.void
      remove(key, flight)
      return Fiber.interruptFork(flight.fiber)
    })

  return (key, effect) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(
        Effect.suspend(() =>
          Option.match(MutableHashMap.get(flights, key), {
            onNone: () => start(key, effect),
            onSome: Effect.succeed
          })
        ),
        (flight) => {
          flight.waiting += 1
          return restore(Effect.flatten(Fiber.await(flight.fiber))).pipe(Effect.ensuring(leave(key, flight)))
        }
      )
    )
}
