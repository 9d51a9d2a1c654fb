import { SingleFlight } from "@effect-oci/core/SingleFlight"
import { describe, expect, it } from "@effect/vitest"
import { Data, Deferred, Effect, Fiber, Scope } from "effect"

describe("SingleFlight", () => {
  it.effect("runs work once for callers with an equal key, and again after it has ended", () =>
    Effect.gen(function*() {
      const flights = new SingleFlight<unknown, number>()
      let runs = 0
      const work = (complete: (result: number) => void) =>
        Effect.zipRight(Effect.yieldNow(), Effect.sync(() => complete(++runs)))
      const run = Effect.suspend(() => flights.run(Data.tuple("a"), work))
      expect(yield* Effect.all([run, run], { concurrency: "unbounded" })).toEqual([1, 1])
      expect(yield* run).toBe(2)
    }))

  it.effect("interrupts work without a scope when the last caller is interrupted", () =>
    Effect.gen(function*() {
      const flights = new SingleFlight<string, number>()
      let interrupted = false
      const work = () => Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted = true))
      const callers = yield* Effect.all([Effect.fork(flights.run("a", work)), Effect.fork(flights.run("a", work))])
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(callers[0])
      expect(interrupted).toBe(false)
      yield* Fiber.interrupt(callers[1])
      yield* Effect.yieldNow()
      expect(interrupted).toBe(true)
    }))

  it.scoped("continues work in a scope after it has completed, and cancels what is selected", () =>
    Effect.gen(function*() {
      const scope = yield* Effect.scope
      const flights = new SingleFlight<string, number>({ scope, max: 2 })
      const work = (complete: (result: number) => void) => Effect.zipRight(Effect.sync(() => complete(1)), Effect.never)
      expect(yield* flights.run("a", work)).toBe(1)
      const waiting = yield* Effect.fork(flights.run("b", () => Effect.never))
      yield* Effect.yieldNow()
      expect(yield* flights.run("c", work)).toBeUndefined()
      yield* flights.cancel((_, isCompleted) => !isCompleted)
      expect(yield* Fiber.join(waiting)).toBeUndefined()
      expect(yield* flights.run("a", () => Effect.die("not run"))).toBe(1)
    }))

  it.effect("returns a failure to all callers", () =>
    Effect.gen(function*() {
      const flights = new SingleFlight<string, number, string>({ scope: yield* Scope.make() })
      const start = yield* Deferred.make<void>()
      const run = flights.run("a", () => Effect.zipRight(Deferred.await(start), Effect.fail("no")))
      const callers = yield* Effect.all([Effect.fork(Effect.flip(run)), Effect.fork(Effect.flip(run))])
      yield* Effect.yieldNow()
      yield* Deferred.succeed(start, undefined)
      expect(yield* Fiber.join(callers[0])).toBe("no")
      expect(yield* Fiber.join(callers[1])).toBe("no")
    }))
})
