import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as ResourceScope from "../src/ResourceScope.js"

const { make } = ResourceScope

describe("ResourceScope", () => {
  it("catalog is the scope that listing repositories requires", () => {
    expect(ResourceScope.catalog).toEqual({ type: "registry", resource: "catalog", action: "*" })
  })

  describe("isOpaque", () => {
    it.each([
      { name: "a whole text", scope: make("otherScope", "", ""), expected: true },
      { name: "nothing at all", scope: make("", "", ""), expected: true },
      { name: "a pull", scope: make("repository", "foo", "pull"), expected: false },
      { name: "an empty action", scope: make("repository", "foo", ""), expected: false },
      { name: "an empty resource", scope: make("repository", "", "pull"), expected: false }
    ])("$name: $expected", ({ expected, scope }) => {
      expect(ResourceScope.isOpaque(scope)).toBe(expected)
    })
  })

  describe("format", () => {
    it.each([
      { name: "a pull", scope: make("repository", "foo/bar", "pull"), expected: "repository:foo/bar:pull" },
      { name: "a class", scope: make("repository(plugin)", "foo", "pull"), expected: "repository(plugin):foo:pull" },
      { name: "colons in the resource", scope: make("repository", "h:80/a", "*"), expected: "repository:h:80/a:*" },
      { name: "opaque", scope: make("any:thing", "", ""), expected: "any:thing" },
      { name: "an empty action", scope: make("repository", "foo", ""), expected: "repository:foo:" },
      {
        name: "a resource with spaces stays one word",
        scope: make("repository", "foo repository:secret\t\u00a0x", "pull"),
        expected: "repository:foo%20repository:secret%09%C2%A0x:pull"
      }
    ])("$name", ({ expected, scope }) => {
      expect(ResourceScope.format(scope)).toBe(expected)
    })

    const text = fc.string({ unit: "binary" })
    it("is always one word, for any parts", () =>
      fc.assert(fc.property(text, text, text, (type, resource, action) => {
        expect(ResourceScope.format(make(type, resource, action))).not.toMatch(/\s/)
      })))
  })

  describe("Order", () => {
    const ascending = [
      make("", "", ""),
      make("repository", "", ""),
      make("repository", "Foo", "push"),
      make("repository", "foo", ""),
      make("repository", "foo", "*"),
      make("repository", "foo", "pull"),
      make("repository", "foo", "push"),
      make("repository", "foo-bar", "delete"),
      make("repository", "foo/bar", "delete"),
      make("repository(plugin)", "foo", "pull"),
      make("repositoryx", "a", "a")
    ]
    const rows = ascending.flatMap((self, i) =>
      ascending.map((that, j) => ({ name: `${i} and ${j}`, self, that, expected: Math.sign(i - j) }))
    )
    it.each(rows)("orders by type, then resource, then action: $name", ({ expected, self, that }) => {
      expect(ResourceScope.Order(self, that)).toBe(expected)
      expect(ResourceScope.Equivalence(self, that)).toBe(expected === 0)
    })
  })

  it("Equivalence compares the parts, not the object", () => {
    expect(ResourceScope.Equivalence(make("registry", "catalog", "*"), ResourceScope.catalog)).toBe(true)
  })
})
