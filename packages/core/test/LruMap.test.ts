import { LruMap } from "@effect-oci/core/LruMap"
import { describe, expect, it } from "@effect/vitest"

describe("LruMap", () => {
  it("evicts the least recently used entry above its maximum", () => {
    const map = new LruMap<string, number>(2)
    map.set("a", 1)
    map.set("b", 2)
    expect(map.get("a")).toBe(1)
    map.set("c", 3)
    expect(["a", "b", "c"].map((key) => map.get(key))).toEqual([1, undefined, 3])
    map.set("c", 4)
    expect(["a", "b", "c"].map((key) => map.get(key))).toEqual([1, undefined, 4])
  })

  it("weighs entries, and evicts nothing for an entry that is too heavy", () => {
    const map = new LruMap<string, number>(10, (weight) => weight)
    map.set("a", 4)
    map.set("b", 6)
    map.set("c", 11)
    expect(["a", "b", "c"].map((key) => map.get(key))).toEqual([4, 6, undefined])
    map.set("a", 5)
    expect(["a", "b"].map((key) => map.get(key))).toEqual([5, undefined])
    map.set("a", 11)
    expect(map.get("a")).toBeUndefined()
    expect([map.size, map.weight]).toEqual([0, 0])
  })

  it("deletes the selected entries only, and accepts them again", () => {
    const map = new LruMap<string, number>(10)
    for (const key of ["app:a", "app:b", "base:c"]) map.set(key, 1)
    map.delete("app:b")
    map.deleteWhere((key) => key.startsWith("app:"))
    expect(Array.from(map.entries())).toEqual([["base:c", 1]])
    map.set("app:a", 2)
    map.deleteWhere((_, value) => value === 1)
    expect(Array.from(map.entries())).toEqual([["app:a", 2]])
  })
})
