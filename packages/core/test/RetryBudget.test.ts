import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import * as RetryBudget from "../src/RetryBudget.js"

/** Retries as a wrapper does: with the provided budget, or with a new one. */
const retried = <A, E, R>(effect: Effect.Effect<A, E, R>, retries: number) =>
  Effect.flatMap(RetryBudget.RetryBudget, (outer) => {
    const budget = outer ?? RetryBudget.make(retries)
    const ownBudget = RetryBudget.make(retries)
    return effect.pipe(
      Effect.provideService(RetryBudget.RetryBudget, budget),
      Effect.retry({ while: () => ownBudget.take() && budget.take() })
    )
  })

describe("RetryBudget", () => {
  it.each([[0, 0], [1, 1], [3, 3], [2.5, 2], [-1, 0], [Number.NaN, 0]])(
    "with %d retries allows %d",
    (retries, expected) => {
      const budget = RetryBudget.make(retries)
      const taken = Array.from({ length: 10 }, budget.take)
      expect(taken.filter((one) => one)).toHaveLength(expected)
      expect(taken.slice(0, expected)).toEqual(Array(expected).fill(true))
    }
  )

  it("allows any number of retries if it is infinite", () => {
    const budget = RetryBudget.make(Number.POSITIVE_INFINITY)
    expect(Array.from({ length: 1000 }, budget.take)).not.toContain(false)
  })

  it.effect("is undefined by default", () =>
    Effect.map(RetryBudget.RetryBudget, (budget) => {
      expect(budget).toBeUndefined()
    }))

  it.effect("is shared by a retry inside a retry", () =>
    Effect.gen(function*() {
      let tries = 0
      const failing = Effect.suspend(() => {
        tries += 1
        return Effect.fail("broken")
      })
      yield* Effect.flip(retried(failing, 5))
      expect(tries).toBe(1 + 5)
      tries = 0
      yield* Effect.flip(retried(retried(retried(failing, 5), 5), 5))
      expect(tries).toBe(1 + 5)
    }))

  it.effect("is undefined again after the operation", () =>
    Effect.gen(function*() {
      yield* retried(Effect.void, 1)
      expect(yield* RetryBudget.RetryBudget).toBeUndefined()
    }))
})
