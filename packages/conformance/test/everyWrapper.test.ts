/** Every wrapper has a page, a test, a generator for the laws, and a row in the matrix. */
import * as middleware from "@effect-oci/middleware"
import * as recording from "@effect-oci/recording"
import { describe, expect, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"

const laws = readFileSync(new URL("../src/Wrappers.ts", import.meta.url), "utf8")
const matrix = readFileSync(new URL("matrix.test.ts", import.meta.url), "utf8")

const wrappers = Object.entries({ middleware, recording }).flatMap(([workspace, modules]) => {
  const folder = new URL(`../../${workspace}/`, import.meta.url)
  const tests = readdirSync(new URL("test", folder))
  const pages = readdirSync(new URL("docs", folder))
  const readme = readFileSync(new URL("README.md", folder), "utf8")
  return Object.entries(modules).flatMap(([name, module]) =>
    "middleware" in module ? [{ name, module, tests, pages, readme }] : []
  )
})

describe.each(wrappers)("$name", ({ module, name, pages, readme, tests }) => {
  it("has its functions", () => {
    expect(Object.keys(module)).toEqual(expect.arrayContaining(["middleware", "layer", "wrap"]))
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
