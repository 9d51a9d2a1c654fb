import { RegistryError } from "@effect-oci/core"
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Effect, Stream } from "effect"
import * as fc from "fast-check"
import { mergeSorted } from "../src/internal/mergeSorted.js"

const fields = { operation: "ListTags", repository: undefined, reference: undefined } as const

const options = { key: (item: string) => item, sortBuffer: 0 }

const words = fc.array(fc.string({ unit: fc.constantFrom("a", "b", "-", "/"), maxLength: 3 }), { maxLength: 40 })
  .map((all) => Array.from(new Set(all)).sort())

const window = 5

/** Shuffles items so that each is out of order by at most `window` items. */
const shuffledWithin = (items: ReadonlyArray<string>) => {
  const blocks: Array<ReadonlyArray<string>> = []
  for (let at = 0; at < items.length; at += window + 1) blocks.push(items.slice(at, at + window + 1))
  return fc.tuple(
    ...blocks.map((block) => fc.shuffledSubarray([...block], { minLength: block.length, maxLength: block.length }))
  ).map((all) => all.flat())
}

describe("mergeSorted", () => {
  it("contains each item of each list once, in order, for any chunks", () =>
    fc.assert(fc.asyncProperty(
      fc.array(fc.tuple(words, fc.integer({ min: 1, max: 7 })), { maxLength: 5 }),
      async (lists) => {
        const members = lists.map(([items, size], index) => ({
          name: `${index}`,
          items: Stream.rechunk(Stream.fromIterable(items), size)
        }))
        const merged = await Effect.runPromise(Stream.runCollect(mergeSorted(members, fields, options)))
        expect(Chunk.toReadonlyArray(merged)).toEqual(Array.from(new Set(lists.flatMap(([items]) => items))).sort())
      }
    )))

  it.effect.each([
    { name: "alone", members: [["b", "a"]] },
    { name: "among others", members: [["a", "c"], ["b", "a"]] }
  ])("names a list that is out of order: $name", ({ members }) =>
    Effect.gen(function*() {
      const lists = members.map((items, index) => ({ name: `member ${index}`, items: Stream.fromIterable(items) }))
      const error = yield* Effect.flip(Stream.runDrain(mergeSorted(lists, fields, options)))
      expect(error).toMatchObject({
        _tag: "OciResponseInvalid",
        message: `ListTags: the list of member ${members.length - 1} is out of order: "a" comes after "b"`
      })
    }))

  it("sorts a list that is out of order by no more than the buffer", () =>
    fc.assert(fc.asyncProperty(
      fc.array(fc.tuple(words.chain(shuffledWithin), fc.integer({ min: 1, max: 7 })), { maxLength: 4 }),
      async (lists) => {
        const members = lists.map(([items, size], index) => ({
          name: `${index}`,
          items: Stream.rechunk(Stream.fromIterable(items), size)
        }))
        const merged = await Effect.runPromise(
          Stream.runCollect(mergeSorted(members, fields, { ...options, sortBuffer: window }))
        )
        expect(Chunk.toReadonlyArray(merged)).toEqual(Array.from(new Set(lists.flatMap(([items]) => items))).sort())
      }
    )))

  it.effect("fails with the distance for a list that is further out of order", () =>
    Effect.gen(function*() {
      const lists = [{ name: "a", items: Stream.make("b", "c", "d", "a") }]
      const merged = (sortBuffer: number) => Stream.runCollect(mergeSorted(lists, fields, { ...options, sortBuffer }))
      expect(Chunk.toReadonlyArray(yield* merged(4))).toEqual(["a", "b", "c", "d"])
      expect(yield* Effect.flip(merged(2))).toMatchObject({
        message: "ListTags: the list of a is out of order by more than 2 items: \"a\" comes after \"b\""
      })
    }))

  it.effect("sorts the order of directories, with / before -", () =>
    Effect.gen(function*() {
      const lists = [{ name: "docker", items: Stream.make("a", "a/b", "a/c/d", "a/c-d", "a-b", "a.b", "b") }]
      expect(Chunk.toReadonlyArray(yield* Stream.runCollect(mergeSorted(lists, fields, { ...options, sortBuffer: 9 }))))
        .toEqual(["a", "a-b", "a.b", "a/b", "a/c-d", "a/c/d", "b"])
    }))

  it.effect("returns the first list's item if several lists have it", () =>
    Effect.gen(function*() {
      const list = (name: string, ...keys: ReadonlyArray<string>) => ({
        name,
        items: Stream.fromIterable(keys.map((key) => ({ key, from: name })))
      })
      const merged = mergeSorted([list("a", "2", "3"), list("b", "1", "2"), list("c", "2", "4")], fields, {
        key: ({ key }) => key,
        sortBuffer: 0
      })
      const from = Chunk.toReadonlyArray(yield* Stream.runCollect(merged)).map((item) => `${item.key} of ${item.from}`)
      expect(from).toEqual(["1 of b", "2 of a", "3 of a", "4 of c"])
    }))

  it.effect("returns an item once that a list contains twice", () =>
    Effect.gen(function*() {
      const lists = [{ name: "a", items: Stream.make("a", "a", "b") }, { name: "b", items: Stream.make("b", "b") }]
      expect(Chunk.toReadonlyArray(yield* Stream.runCollect(mergeSorted(lists, fields, options)))).toEqual(["a", "b"])
    }))

  it.effect("fails if a list fails", () =>
    Effect.gen(function*() {
      const error = new RegistryError.Unavailable({})
      const lists = [{ name: "a", items: Stream.make("a") }, { name: "b", items: Stream.fail(error) }]
      expect(yield* Effect.flip(Stream.runDrain(mergeSorted(lists, fields, options)))).toBe(error)
    }))

  it.effect("reads endless lists only as far as it is read", () =>
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
      const merged = mergeSorted([endless("a"), endless("b"), endless("c")], fields, options)
      const some = Chunk.toReadonlyArray(yield* Stream.runCollect(Stream.take(merged, 100)))
      expect(some.slice(0, 4)).toEqual(["000000a", "000000b", "000000c", "000001a"])
      expect(some).toHaveLength(100)
      expect(read).toBeLessThan(200)
    }))
})
