import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as ordered from "../../src/internal/ordered.js"

const key = fc.oneof(
  fc.constantFrom("a", "a-1", "a.1", "a1", "a_1", "A", "é"),
  fc.string({ maxLength: 2, minLength: 1 })
)

describe("ordered", () => {
  it("is a map whose keys are sorted, whatever is set and removed", () => {
    fc.assert(fc.property(
      fc.array(fc.record({ key, remove: fc.boolean() }), { maxLength: 300 }),
      fc.option(key, { nil: undefined }),
      fc.nat({ max: 40 }),
      (changes, after, n) => {
        const model = new Map<string, number>()
        let tree = ordered.empty<string, number>()
        changes.forEach(({ key, remove }, value) => {
          if (remove) model.delete(key)
          else model.set(key, value)
          tree = remove ? ordered.remove(tree, key) : ordered.set(tree, key, value)
        })
        const values = Array.from(model)
          .filter(([key]) => after === undefined || key > after)
          .sort(([a], [b]) => a < b ? -1 : 1)
          .map(([, value]) => value)
        expect(ordered.page(tree, after, n)).toEqual(values.slice(0, n))
        const even = (value: number) => value % 2 === 0
        expect(ordered.page(tree, after, n, even)).toEqual(values.filter(even).slice(0, n))
      }
    ))
  })
})
