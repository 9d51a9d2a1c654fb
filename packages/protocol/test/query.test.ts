import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as query from "../src/internal/query.js"
import { quickest } from "./hostile.js"

const names = ["digest", "mount", "from", "n", "last", "tag", "artifactType", "digest-algorithm", ""]

/** Returns everything that can be read of a query. */
const readAll = (parameters: Pick<query.Query, "get" | "getAll" | "has">) =>
  names.map((name) => [name, parameters.has(name), parameters.get(name), parameters.getAll(name)])

const escaped = (text: string): string =>
  [...new TextEncoder().encode(text)].map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join("")

const ascii = fc.oneof(
  fc.constantFrom(...names, ...names.map(escaped), ...names.map((name) => escaped(name).toUpperCase())),
  fc.constantFrom("&", "=", "+", "%2B", "%26", "%3d", "%25", "%C3%A9", "%EF%BB%BF", "?", "#", ";", " ", "\0")
)

const wellFormed = fc.oneof(
  ascii,
  fc.constantFrom("é", "𐍈", "\ud800", "\udc00", "\ufeff"),
  fc.string({ unit: "binary", maxLength: 3 }).map((text) => text.replaceAll("%", ""))
)

// URLSearchParams of Node changes the characters beyond ASCII of a value that has a malformed escape.
const malformed = fc.oneof(ascii, fc.constantFrom("%zz", "%c3", "%FF", "%f0%9f", "%ed%a0%80"))

const queriesOf = (part: fc.Arbitrary<string>) =>
  fc.oneof(
    fc.array(part, { maxLength: 30 }).map((parts) => parts.join("")),
    fc.array(fc.tuple(fc.constantFrom(...names, "t%61g"), fc.array(part, { maxLength: 4 })), { maxLength: 6 })
      .map((pairs) => pairs.map(([name, value]) => `${name}=${value.join("")}`).join("&"))
  )

describe("a query", () => {
  it("has the parameters that URLSearchParams finds, with literal plus signs", () => {
    fc.assert(
      fc.property(fc.oneof(queriesOf(wellFormed), queriesOf(malformed)), (text) => {
        // URLSearchParams skips a question mark at the beginning, which is part of a name here.
        const expected = new URLSearchParams(`&${text.replaceAll("+", "%2B")}`)
        expect(readAll(query.parse(text))).toEqual(readAll(expected))
      }),
      { numRuns: 1000 }
    )
  })

  it.each([
    ["%", "%"],
    ["%2", "%2"],
    ["%2%36", "%26"],
    ["%zz%41", "%zzA"],
    ["%%41%", "%A%"],
    ["%c3é", "\ufffdé"],
    ["%zz𐍈%2B", "%zz𐍈+"],
    ["\ud800%zz", "\ufffd%zz"]
  ])("decodes %s to %s", (value, expected) => {
    expect(query.parse(`last=${value}`).get("last")).toBe(expected)
    expect(query.parse(`n=1&last=${value}&n=2`).getAll("last")).toEqual([expected])
  })

  it.each(["&", "&+", "&%", "&%61", "&a=b", "%", "%f", "n=%&", "=", "tag=a&"])(
    "is parsed in linear time: %s repeated",
    (part) => {
      const read = (length: number) => quickest(() => readAll(query.parse(part.repeat(length / part.length))))
      expect(read(65_536)).toBeLessThan(Math.max(10, 32 * read(8192)))
    }
  )
})
