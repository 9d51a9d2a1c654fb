import { RepositoryName } from "@effect-oci/core"
import { describe, expect, it } from "@effect/vitest"
import { Remembered } from "../src/internal/cache/lruMap.js"

const app = RepositoryName.make("team/app")
const base = RepositoryName.make("team/base")

describe("the LRU map", () => {
  it("evicts the least recently used entry above its maximum", () => {
    const all = new Remembered<number>(2)
    all.set(app, "a", 1)
    all.set(app, "b", 2)
    expect(all.get("a")).toBe(1)
    all.set(base, "c", 3)
    expect(["a", "b", "c"].map((key) => all.get(key))).toEqual([1, undefined, 3])
    all.set(base, "c", 4)
    expect(["a", "b", "c"].map((key) => all.get(key))).toEqual([1, undefined, 4])
  })

  it("weighs entries, and evicts nothing for an entry that is too heavy", () => {
    const all = new Remembered<number>(10, (weight) => weight)
    all.set(app, "a", 4)
    all.set(app, "b", 6)
    all.set(app, "c", 11)
    expect(["a", "b", "c"].map((key) => all.get(key))).toEqual([4, 6, undefined])
    all.set(app, "a", 5)
    expect(["a", "b"].map((key) => all.get(key))).toEqual([5, undefined])
    all.set(app, "a", 11)
    expect(all.get("a")).toBeUndefined()
  })

  it("forgets the entries of one repository only, and accepts them again", () => {
    const all = new Remembered<number>(10)
    for (const [repository, key] of [[app, "a"], [app, "b"], [base, "c"]] as const) all.set(repository, key, 1)
    all.delete("b")
    all.forget(app)
    expect(["a", "b", "c"].map((key) => all.get(key))).toEqual([undefined, undefined, 1])
    all.set(app, "a", 2)
    all.forget(base)
    expect(["a", "b", "c"].map((key) => all.get(key))).toEqual([2, undefined, undefined])
  })
})
