import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as fc from "fast-check"
import * as RepositoryName from "../src/RepositoryName.js"
import { hostileTexts, names, quickest } from "./texts.js"

/**
 * The regular expression in the distribution spec: [Pulling
 * manifests](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests).
 */
const specification = /^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$/

const taken: ReadonlyArray<readonly [name: string, text: string]> = [
  ["a letter", "a"],
  ["a digit", "0"],
  ["components", "a/b/c/d"],
  ["one dot", "a.b"],
  ["one underscore", "a_b"],
  ["two underscores", "a__b"],
  ["a dash", "a-b"],
  ["dashes", "a---b"],
  ["separators of each kind", "a.b_c__d-e"],
  ["what looks like a host", "test.example.com/my-app"],
  ["what Windows reserves", "con/nul/com1"],
  ["64 hexadecimal digits", "1a3f5e7d".repeat(8)],
  ["255 characters", "a".repeat(255)],
  ["128 components", `${"a/".repeat(127)}a`]
]

const refused: ReadonlyArray<readonly [name: string, text: string, reason: string]> = [
  ["nothing", "", "it is empty"],
  ["256 characters", "a".repeat(256), "longer than 255"],
  ["upper case", "A", "components are"],
  ["a slash first", "/a", "is empty"],
  ["a slash last", "a/", "is empty"],
  ["two slashes", "a//b", "is empty"],
  ["only a slash", "/", "is empty"],
  ["a dot first", ".a", "components are"],
  ["a dot last", "a.", "components are"],
  ["two dots", "a..b", "components are"],
  ["three underscores", "a___b", "components are"],
  ["a dot and an underscore", "a._b", "components are"],
  ["a dash and a dot", "a-.b", "components are"],
  ["a dash first", "-a", "components are"],
  ["a dash last", "a-", "components are"],
  ["an underscore first", "_a", "components are"],
  ["an underscore last", "a_", "components are"],
  ["a separator last in a component", "a-/b", "components are"],
  ["up", "..", "components are"],
  ["up in the middle", "a/../b", "components are"],
  ["here", "a/./b", "components are"],
  ["a space", "a b", "components are"],
  ["an encoded slash", "a%2fb", "components are"],
  ["encoded dots", "%2e%2e/a", "components are"],
  ["a backslash", "a\\b", "components are"],
  ["an encoded backslash", "..%5ca", "components are"],
  ["a drive", "c:/a", "components are"],
  ["a digest", "foo@bar", "components are"],
  ["a line end", "a\n", "components are"],
  ["a line start", "\na", "components are"],
  ["a line end in the middle", "a\nb", "components are"],
  ["NUL", "a\0", "components are"],
  ["a letter that is not ASCII", "café", "components are"],
  ["a digit that is not ASCII", "a٣", "components are"],
  ["a Kelvin sign", "\u212a", "components are"],
  ["__proto__", "__proto__", "components are"]
]

describe("RepositoryName", () => {
  it.each(taken)("accepts %s", (_, text) => {
    expect(RepositoryName.is(text)).toBe(true)
    expect(RepositoryName.parse(text)).toEqual(Either.right(text))
    expect(RepositoryName.make(text)).toBe(text)
    expect(Schema.decodeUnknownSync(RepositoryName.schema)(text)).toBe(text)
  })

  it.each(refused)("refuses %s", (_, text, reason) => {
    expect(RepositoryName.is(text)).toBe(false)
    const error = Either.getOrThrow(Either.flip(RepositoryName.parse(text)))
    expect(error.expected).toBe("repository name")
    expect(error.message).toContain(reason)
    expect(() => RepositoryName.make(text)).toThrow(reason)
    expect(() => Schema.decodeUnknownSync(RepositoryName.schema)(text)).toThrow(reason)
  })

  it("accepts every name", () => {
    fc.assert(fc.property(names, (name) => {
      expect(RepositoryName.is(name)).toBe(true)
    }))
  })

  it("accepts exactly the names that the spec allows", () => {
    const texts = fc.string({ unit: fc.constantFrom(..."ab0A._-/"), maxLength: 10 })
    fc.assert(
      fc.property(texts, (text) => {
        expect(RepositoryName.is(text)).toBe(specification.test(text))
      }),
      { numRuns: 2000 }
    )
  })

  it.each(hostileTexts)("refuses $name quickly", ({ text }) => {
    expect(quickest(() => RepositoryName.parse(text))).toBeLessThan(5)
    expect(RepositoryName.is(text)).toBe(false)
  })
})
