/** Every wrapper has a page, a test, a generator for the laws, and a row in the matrix. */
import * as middleware from "@effect-oci/middleware"
import { describe, expect, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"

const folder = new URL("../../middleware/", import.meta.url)
const tests = readdirSync(new URL("test", folder))
const pages = readdirSync(new URL("docs", folder))
const readme = readFileSync(new URL("README.md", folder), "utf8")
const laws = readFileSync(new URL("../src/Wrappers.ts", import.meta.url), "utf8")
const matrix = readFileSync(new URL("matrix.test.ts", import.meta.url), "utf8")

const wrappers = Object.entries(middleware).flatMap(([name, module]) => "middleware" in module ? [name] : [])

describe.each(wrappers)("%s", (name) => {
  it("has its functions", () => {
    expect(Object.keys(middleware[name as keyof typeof middleware])).toEqual(
      expect.arrayContaining(["middleware", "layer", "wrap"])
    )
  })

  it("has a test", () => {
    expect(tests.some((file) => file.startsWith(`${name}.`))).toBe(true)
  })

  it("has a page, which the README links", () => {
    expect(pages).toContain(`${name}.md`)
    expect(readme).toContain(`(docs/${name}.md)`)
  })

  it("has a generator for the laws", () => {
    expect(laws).toMatch(new RegExp(`\\b${name}\\.(wrap|layer|middleware)\\(`))
  })

  it("has a row in the matrix of conformance", () => {
    expect(matrix).toMatch(new RegExp(`\\b${name}\\.(wrap|layer|middleware)\\(`))
  })
})
