import type { RegistryError, RepositoryName } from "@effect-oci/core"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import type * as Scope from "effect/Scope"

interface Flight<A> {
  readonly repository: RepositoryName.RepositoryName
  /** The answer for all waiting callers. `undefined` if the work was cancelled: each caller then asks for itself. */
  readonly answer: Deferred.Deferred<A | undefined, RegistryError.RegistryError>
  isAnswered: boolean
  fiber: Fiber.Fiber<void> | undefined
  isCut: boolean
}

/**
 * Single flight: work that runs once for all callers that need the same result at the same time. It runs in fibers of
 * the scope, so a caller that is interrupted does not stop it for the others. The work may continue after it has
 * returned its answer.
 */
export class Flights<A> {
  readonly #flights = new Map<string, Flight<A>>()

  constructor(private readonly scope: Scope.Scope, private readonly max: number) {}

  /**
   * Returns the answer of the running work of a key. If no work is running, starts `work`, which gives its answer as
   * soon as it has one. Returns `undefined` if too much work is running, or if the work was cancelled.
   */
  join(
    key: string,
    repository: RepositoryName.RepositoryName,
    work: (give: (answer: A) => void) => Effect.Effect<void, RegistryError.RegistryError>
  ): Effect.Effect<A | undefined, RegistryError.RegistryError> {
    return Effect.uninterruptibleMask((restore) => {
      const known = this.#flights.get(key)
      if (known !== undefined) return restore(Deferred.await(known.answer))
      if (this.#flights.size >= this.max) return Exit.succeed(undefined)
      const answer: Flight<A>["answer"] = Deferred.unsafeMake(FiberId.none)
      const flight: Flight<A> = { repository, answer, isAnswered: false, fiber: undefined, isCut: false }
      this.#flights.set(key, flight)
      const give = (result: A) => {
        flight.isAnswered = true
        Deferred.unsafeDone(answer, Exit.succeed(result))
      }
      const landed = (exit: Exit.Exit<void, RegistryError.RegistryError>) => {
        if (this.#flights.get(key) === flight) this.#flights.delete(key)
        const given = Exit.isFailure(exit) && !Exit.isInterrupted(exit)
          ? Exit.failCause(exit.cause)
          : Exit.succeed(undefined)
        Deferred.unsafeDone(answer, given)
      }
      const run = Effect.suspend(() => flight.isCut ? Effect.interrupt : work(give))
      return Effect.map(Effect.exit(Effect.interruptible(run)), landed).pipe(
        Effect.forkIn(this.scope),
        Effect.flatMap((fiber) => {
          flight.fiber = fiber
          return restore(Deferred.await(answer))
        })
      )
    })
  }

  /** Cancels the work of a repository, or the part of it that `which` selects. Returns when the work has ended. */
  cut(
    repository: RepositoryName.RepositoryName,
    which: (key: string, isAnswered: boolean) => boolean = () => true
  ): Effect.Effect<void> {
    return Effect.suspend(() => {
      const fibers: Array<Fiber.Fiber<void>> = []
      for (const [key, flight] of this.#flights) {
        if (flight.repository !== repository || !which(key, flight.isAnswered)) continue
        flight.isCut = true
        this.#flights.delete(key)
        if (flight.fiber !== undefined) fibers.push(flight.fiber)
      }
      return Fiber.interruptAll(fibers)
    })
  }
}
