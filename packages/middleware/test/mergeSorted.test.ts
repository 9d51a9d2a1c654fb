import { RegistryError } from "@effect-oci/core"
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Effect, Stream } from "effect"
import * as fc from "fast-check"
import { mergeSorted } from "../src/internal/mergeSorted.js"

const asked = { operation: "ListTags", repository: undefined, reference: undefined } as const

const words = fc.array(fc.string({ unit: fc.constantFrom("a", "b", "-", "/"), maxLength: 3 }), { maxLength: 40 })
  .map((all) => Array.from(new Set(all)).sort())

describe("mergeSorted", () => {
  it("has each item of each list once, in order, however they come in chunks", () =>
    fc.assert(fc.asyncProperty(
      fc.array(fc.tuple(words, fc.integer({ min: 1, max: 7 })), { maxLength: 5 }),
      async (lists) => {
        const members = lists.map(([items, size], index) => ({
          name: `${index}`,
          items: Stream.rechunk(Stream.fromIterable(items), size)
        }))
        const merged = await Effect.runPromise(Stream.runCollect(mergeSorted(members, asked)))
        expect(Chunk.toReadonlyArray(merged)).toEqual(Array.from(new Set(lists.flatMap(([items]) => items))).sort())
      }
    )))

  it.effect.each([
    { name: "alone", members: [["b", "a"]] },
    { name: "among others", members: [["a", "c"], ["b", "a"]] }
  ])("a list that is out of order is named: $name", ({ members }) =>
    Effect.gen(function*() {
      const lists = members.map((items, index) => ({ name: `member ${index}`, items: Stream.fromIterable(items) }))
      const error = yield* Effect.flip(Stream.runDrain(mergeSorted(lists, asked)))
      expect(error).toMatchObject({
        _tag: "ResponseInvalid",
        message: `ListTags: the list of member ${members.length - 1} is out of order: "a" comes after "b"`
      })
    }))

  it.effect("an item that a list has twice is there once", () =>
    Effect.gen(function*() {
      const lists = [{ name: "a", items: Stream.make("a", "a", "b") }, { name: "b", items: Stream.make("b", "b") }]
      expect(Chunk.toReadonlyArray(yield* Stream.runCollect(mergeSorted(lists, asked)))).toEqual(["a", "b"])
    }))

  it.effect("fails as a list fails", () =>
    Effect.gen(function*() {
      const error = new RegistryError.Unavailable({})
      const lists = [{ name: "a", items: Stream.make("a") }, { name: "b", items: Stream.fail(error) }]
      expect(yield* Effect.flip(Stream.runDrain(mergeSorted(lists, asked)))).toBe(error)
    }))

  it.effect("reads endless lists as far as it is asked", () =>
    Effect.gen(function*() {
      let read = 0
      const endless = (name: string) => ({
        name,
        items: Stream.iterate(0, (n) => n + 1).pipe(
          Stream.rechunk(10),
          Stream.map((n) => `${String(n).padStart(6, "0")}${name}`),
          Stream.tap(() => Effect.sync(() => void read++))
        )
      })
      const merged = mergeSorted([endless("a"), endless("b"), endless("c")], asked)
      const some = Chunk.toReadonlyArray(yield* Stream.runCollect(Stream.take(merged, 100)))
      expect(some.slice(0, 4)).toEqual(["000000a", "000000b", "000000c", "000001a"])
      expect(some).toHaveLength(100)
      expect(read).toBeLessThan(200)
    }))
})
