import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as fc from "fast-check"
import * as Tag from "../src/Tag.js"
import { hostileTexts, quickest, tags } from "./texts.js"

const taken: ReadonlyArray<readonly [name: string, text: string]> = [
  ["a word", "latest"],
  ["a version", "v1.2.3-alpha.0"],
  ["an underscore", "_"],
  ["an underscore first", "_x"],
  ["upper case", "ABC_D"],
  ["a digit first", "5000"],
  ["separators at will", "foo....___---"],
  ["what Windows reserves", "CON"],
  ["__proto__", "__proto__"],
  ["128 characters", "a".repeat(128)]
]

const refused: ReadonlyArray<readonly [name: string, text: string, reason: string]> = [
  ["nothing", "", "it is empty"],
  ["129 characters", "a".repeat(129), "longer than 128"],
  ["a dot first", ".x", "a tag is"],
  ["a dash first", "-x", "a tag is"],
  ["up", "..", "a tag is"],
  ["a colon", "a:b", "a tag is"],
  ["a slash", "a/b", "a tag is"],
  ["a backslash", "a\\b", "a tag is"],
  ["an at sign", "foo@bar", "a tag is"],
  ["a plus sign", "v4.3+something", "a tag is"],
  ["a star", "v*", "a tag is"],
  ["a percent sign", "%2e%2e", "a tag is"],
  ["a space", "white space", "a tag is"],
  ["a letter that is not ASCII", "é", "a tag is"],
  ["a line end", "a\n", "a tag is"],
  ["a line end after 127 characters", `${"a".repeat(127)}\n`, "a tag is"],
  ["NUL", "a\0", "a tag is"],
  ["a digest", `sha256:${"0".repeat(64)}`, "a tag is"]
]

describe("Tag", () => {
  it.each(taken)("accepts %s", (_, text) => {
    expect(Tag.is(text)).toBe(true)
    expect(Tag.parse(text)).toEqual(Either.right(text))
    expect(Tag.make(text)).toBe(text)
    expect(Schema.decodeUnknownSync(Tag.schema)(text)).toBe(text)
  })

  it.each(refused)("refuses %s", (_, text, reason) => {
    expect(Tag.is(text)).toBe(false)
    const error = Either.getOrThrow(Either.flip(Tag.parse(text)))
    expect(error.expected).toBe("tag")
    expect(error.message).toContain(reason)
    expect(() => Tag.make(text)).toThrow(reason)
    expect(() => Schema.decodeUnknownSync(Tag.schema)(text)).toThrow(reason)
  })

  it("accepts every tag", () => {
    fc.assert(fc.property(tags, (tag) => {
      expect(Tag.is(tag)).toBe(true)
    }))
  })

  it.each(hostileTexts)("refuses $name quickly", ({ text }) => {
    expect(quickest(() => Tag.parse(text))).toBeLessThan(5)
    expect(Tag.is(text)).toBe(false)
  })
})
