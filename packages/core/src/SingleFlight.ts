/**
 * Single flight: work that runs once for all callers that need its result at the same time.
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as MutableHashMap from "effect/MutableHashMap"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"

/**
 * Options for {@link SingleFlight}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * The scope in whose fibers work continues when no caller waits for it any more. Without a scope, such work is
   * interrupted.
   */
  readonly scope?: Scope.Scope | undefined
  /** The maximum number of keys with running work. Default: no limit. */
  readonly max?: number | undefined
}

interface Flight<A, E> {
  /** The result for all waiting callers. `undefined` if the work was cancelled. */
  readonly result: Deferred.Deferred<A | undefined, E>
  fiber: Fiber.Fiber<void> | undefined
  waiting: number
  isCompleted: boolean
  isCancelled: boolean
}

/**
 * Runs work once for all callers with the same key at the same time. The work runs in its own fiber, so a caller that
 * is interrupted does not interrupt it for the others. Keys are compared by `Equal.equals`.
 *
 * @since 0.1.0
 * @category models
 */
export class SingleFlight<K, A, E = never> {
  readonly #flights = MutableHashMap.empty<K, Flight<A, E>>()

  constructor(private readonly options: Options = {}) {}

  /**
   * Returns the result of the running work of a key. If no work is running, starts `work`, which calls `complete` as
   * soon as it has its result, and may continue after that. Returns `undefined` if `work` ends without a result or is
   * cancelled, or if too much work is running: the caller then does the work itself.
   */
  run(
    key: K,
    work: (complete: (result: A) => void) => Effect.Effect<void, E>
  ): Effect.Effect<A | undefined, E> {
    return Effect.uninterruptibleMask((restore) => {
      const running = Option.getOrUndefined(MutableHashMap.get(this.#flights, key))
      if (running !== undefined) return this.#wait(key, running, restore)
      if (MutableHashMap.size(this.#flights) >= (this.options.max ?? Infinity)) return Exit.succeed(undefined)
      const flight: Flight<A, E> = {
        result: Deferred.unsafeMake(FiberId.none),
        fiber: undefined,
        waiting: 0,
        isCompleted: false,
        isCancelled: false
      }
      MutableHashMap.set(this.#flights, key, flight)
      const complete = (result: A) => {
        flight.isCompleted = true
        Deferred.unsafeDone(flight.result, Exit.succeed(result))
      }
      const run = Effect.suspend(() => flight.isCancelled ? Effect.interrupt : work(complete))
      const fork = Effect.map(Effect.exit(Effect.interruptible(run)), (exit) => this.#completed(key, flight, exit))
        .pipe(
          this.options.scope === undefined ? Effect.forkDaemon : Effect.forkIn(this.options.scope)
        )
      return Effect.flatMap(fork, (fiber) => {
        flight.fiber = fiber
        return this.#wait(key, flight, restore)
      })
    })
  }

  /**
   * Runs an effect once for all callers with an equal key at the same time, and returns its result to all of them. If
   * too much work is running, or the work is cancelled, each caller runs its own effect.
   */
  share(key: K, effect: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.flatMap(
      this.run(key, (complete) => Effect.map(effect, complete)),
      (result) => result === undefined ? effect : Exit.succeed(result)
    )
  }

  /**
   * Cancels the work that `which` selects; callers that wait for a result receive `undefined`. Returns when the work has
   * ended.
   */
  cancel(which: (key: K, isCompleted: boolean) => boolean): Effect.Effect<void> {
    return Effect.suspend(() => {
      const selected = Array.from(this.#flights).filter(([key, { isCompleted }]) => which(key, isCompleted))
      return Fiber.interruptAll(selected.flatMap(([key, flight]) => this.#remove(key, flight) ?? []))
    })
  }

  #wait(key: K, flight: Flight<A, E>, restore: <B, F>(effect: Effect.Effect<B, F>) => Effect.Effect<B, F>) {
    flight.waiting++
    return Effect.ensuring(
      restore(Deferred.await(flight.result)),
      Effect.suspend(() => {
        flight.waiting--
        if (flight.waiting > 0 || flight.isCompleted || this.options.scope !== undefined) return Effect.void
        const fiber = this.#remove(key, flight)
        return fiber === undefined ? Effect.void : Fiber.interruptFork(fiber)
      })
    )
  }

  #remove(key: K, flight: Flight<A, E>): Fiber.Fiber<void> | undefined {
    flight.isCancelled = true
    if (Option.contains(MutableHashMap.get(this.#flights, key), flight)) MutableHashMap.remove(this.#flights, key)
    return flight.fiber
  }

  #completed(key: K, flight: Flight<A, E>, exit: Exit.Exit<void, E>): void {
    this.#remove(key, flight)
    const isFailure = Exit.isFailure(exit) && !Exit.isInterrupted(exit)
    Deferred.unsafeDone(flight.result, isFailure ? Exit.failCause(exit.cause) : Exit.succeed(undefined))
  }
}
