/** Every option of `Quirks` is in `docs/quirks.md`, and a test runs the client against a server with that option. */
import { Quirks } from "@effect-oci/server"
import { describe, expect, it } from "@effect/vitest"
import { readFileSync } from "node:fs"

const read = (path: string) => readFileSync(new URL(path, import.meta.url), "utf8")

const page = read("../../../docs/quirks.md")
const tests = read("matrix.test.ts") + read("unauthorized.test.ts")
const presets = Quirks.names.map(Quirks.like)
const options = Array.from(read("../../server/src/Quirks.ts").matchAll(/^ {2}readonly (\w+)\?:/gm), ([, name]) => name!)

describe.each(options)("%s", (option) => {
  it("is in docs/quirks.md", () => {
    expect(new RegExp(`\`${option}\\b`).test(page)).toBe(true)
  })

  it("is used by a row of `matrix.test.ts`, or by a registry that `Quirks.like` imitates", () => {
    const isUsed = new RegExp(`quirky\\(.*\\b${option}:`).test(tests) || presets.some((quirks) => option in quirks)
    expect(isUsed).toBe(true)
  })
})
