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

  it("knows which entry was used last after that entry is deleted or evicted", () => {
    const map = new LruMap<string, number>(2)
    map.set("a", 1)
    map.set("b", 2)
    map.get("b")
    map.delete("b")
    map.set("b", 3)
    map.get("a")
    map.get("a")
    map.set("c", 4)
    expect(["a", "b", "c"].map((key) => map.get(key))).toEqual([1, undefined, 4])
    map.set("d", 5)
    expect(["a", "c", "d"].map((key) => map.get(key))).toEqual([undefined, 4, 5])
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

  it("deletes a group, and visits no entries of other groups", () => {
    let calls = 0
    const map = new LruMap<string, number, string>(10_000, undefined, (key) => {
      calls++
      return key.slice(0, key.indexOf(":"))
    })
    for (let index = 0; index < 10_000; index++) map.set(`app${index % 5000}:${index}`, index)
    calls = 0
    map.deleteGroup("app7")
    map.deleteGroup("base")
    expect([map.size, map.weight, calls]).toEqual([9998, 9998, 2])
    expect([map.get("app7:7"), map.get("app7:5007"), map.get("app8:8")]).toEqual([undefined, undefined, 8])
  })

  it("moves entries between groups as they are evicted, deleted and set again", () => {
    const map = new LruMap<string, number, string>(3, undefined, (key) => key.charAt(0))
    for (const key of ["a1", "a2", "b1", "b2"]) map.set(key, 1)
    map.delete("a2")
    map.set("a1", 2)
    map.deleteGroup("b")
    expect(Array.from(map.entries())).toEqual([["a1", 2]])
    map.deleteGroup("a")
    expect(map.size).toBe(0)
  })
})
