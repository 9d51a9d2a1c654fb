import { BlobStore } from "@effect-oci/store"
import { describe, expect, it } from "@effect/vitest"
import { Effect, TestClock } from "effect"
import * as keys from "../../src/internal/keys.js"

describe("keys", () => {
  it.effect("ascend, also within a millisecond", () =>
    Effect.gen(function*() {
      const made: Array<BlobStore.BlobKey> = []
      for (let n = 0; n < 300; n++) {
        made.push(yield* keys.make)
        if (n % 100 === 0) yield* TestClock.adjust(1)
      }
      expect(made.toSorted()).toEqual(made)
      expect(new Set(made).size).toBe(300)
    }))

  it.effect("contain the time of their creation", () =>
    Effect.gen(function*() {
      const time = Date.parse("2026-01-02T03:04:05.678Z")
      yield* TestClock.setTime(time)
      const key = yield* keys.make
      expect(keys.timeOf(key)).toBe(time)
      expect(keys.before(time) < key).toBe(true)
      expect(keys.before(time + 1) > key).toBe(true)
      expect(keys.before(-5)).toBe("00000000-0000")
    }))

  it("of other origins have no time", () => {
    for (const key of ["", "key", "b1f2e5a6-0000-4000-8000-000000000001", "../00000000-0000-7000-8000-000000000001"]) {
      expect(keys.timeOf(BlobStore.BlobKey(key))).toBeUndefined()
    }
  })
})
