import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Warning from "../src/Warning.js"

describe("Warning", () => {
  it.each([
    ["one", `299 - "moved"`, ["moved"]],
    ["several", `299 - "moved", 299 - "again"`, ["moved", "again"]],
    ["several without space", `299 - "moved",299 - "again"`, ["moved", "again"]],
    ["escapes", `299 - "say \\"hello\\" \\\\ there"`, [`say "hello" \\ there`]],
    ["a comma in the text", `299 - "this, that"`, ["this, that"]],
    ["an empty text", `299 - ""`, [""]],
    ["none", undefined, []],
    ["an empty header", "", []],
    ["another code", `199 - "misc"`, []],
    ["an agent", `299 registry "moved"`, []],
    ["a date", `299 - "moved" "Sat, 21 Nov 2026 00:00:00 GMT"`, []],
    ["no quotes", "299 - moved", []],
    ["an open quote", `299 - "moved`, []],
    ["rubbish after the first", `299 - "moved", rubbish`, ["moved"]],
    ["too long", `299 - "${"a".repeat(5000)}"`, []]
  ])("reads %s", (_, header, texts) => expect(Warning.parse(header)).toEqual(texts))

  it("is the inverse of format", () =>
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[\x20-\x7e]{0,30}$/), { maxLength: 5 }), (texts) => {
        expect(Warning.parse(Warning.format(texts))).toEqual(texts)
      })
    ))

  it("never exceeds the length of a header, and writes only allowed characters", () =>
    fc.assert(
      fc.property(fc.array(fc.string({ maxLength: 3000, unit: "binary" }), { maxLength: 5 }), (texts) => {
        const header = Warning.format(texts)
        expect(header.length).toBeLessThanOrEqual(4096)
        expect(header).toMatch(/^[\x20-\x7e]*$/)
      })
    ))
})
