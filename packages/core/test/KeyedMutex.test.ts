import * as KeyedMutex from "@effect-oci/core/KeyedMutex"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"

describe("KeyedMutex", () => {
  it.effect("runs effects with a common key one after another, and others at the same time", () =>
    Effect.gen(function*() {
      const locked = KeyedMutex.make()
      let running = 0
      let most = 0
      const effect = Effect.gen(function*() {
        most = Math.max(most, ++running)
        yield* Effect.yieldNow()
        running--
      })
      yield* Effect.all([locked("a", "b")(effect), locked("b", "a")(effect), locked("b")(effect)], {
        concurrency: "unbounded"
      })
      expect(most).toBe(1)
      yield* Effect.all([locked("a")(effect), locked("b")(effect)], { concurrency: "unbounded" })
      expect(most).toBe(2)
    }))
})
