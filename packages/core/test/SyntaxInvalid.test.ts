import { describe, expect, it } from "@effect/vitest"
import { SyntaxInvalid } from "../src/SyntaxInvalid.js"

describe("SyntaxInvalid", () => {
  const rows: ReadonlyArray<readonly [name: string, text: string, shown: string]> = [
    ["a plain text", "v+1", "v+1"],
    ["an escape sequence", "\u001b[2J", "\\u001b[2J"],
    ["a line end", "a\r\nb", "a\\u000d\\u000ab"],
    ["80 characters", "a".repeat(80), "a".repeat(80)],
    ["81 characters", "a".repeat(81), `${"a".repeat(80)}…`],
    ["a pair of surrogates that is cut in two", `${"a".repeat(79)}🐳`, `${"a".repeat(79)}\\ud83d…`],
    ["a megabyte", "\0".repeat(1_048_576), `${"\\u0000".repeat(80)}…`]
  ]
  it.each(rows)("displays %s escaped and cut", (_, text, shown) => {
    const error = new SyntaxInvalid({ expected: "tag", text, reason: "so it is" })
    expect(error.message).toBe(`invalid tag "${shown}": so it is`)
    expect(error.text).toBe(shown)
    expect(JSON.stringify(error)).not.toContain("\u001b")
    expect(JSON.stringify(error).length).toBeLessThan(1000)
  })
})
