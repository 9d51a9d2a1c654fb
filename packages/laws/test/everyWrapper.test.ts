/** Every wrapper has a page, a test, a generator for the laws, and a row in the matrix. */
import * as middleware from "@effect-oci/middleware"
import * as recording from "@effect-oci/recording"
import * as verify from "@effect-oci/verify"
import { describe, expect, it } from "@effect/vitest"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import * as Wrappers from "../src/Wrappers.js"

const packages = new URL("../../", import.meta.url)
const read = (path: string) => readFileSync(new URL(path, packages), "utf8")

const laws = read("laws/src/Wrappers.ts")
const matrix = read("conformance/test/matrix.test.ts")

/** The modules in `src` that create a middleware, also those that the index does not export. */
const wrappers = Object.entries({ middleware, recording, verify }).flatMap(([workspace, index]) =>
  readdirSync(new URL(`${workspace}/src`, packages))
    .filter((file) => file.endsWith(".ts") && /^export const middleware\b/m.test(read(`${workspace}/src/${file}`)))
    .map((file) => ({ name: file.slice(0, -".ts".length), workspace, index: new Map(Object.entries(index)) }))
)

describe.each(wrappers)("$name", ({ index, name, workspace }) => {
  const usesIt = new RegExp(`\\b${name}\\.(wrap|layer|middleware)\\(`)

  it("is exported from its package, with `middleware`, `layer` and `wrap`", () => {
    expect(index.has(name), `packages/${workspace}/src/index.ts exports ${name}`).toBe(true)
    expect(Object.keys(index.get(name) ?? {})).toEqual(expect.arrayContaining(["middleware", "layer", "wrap"]))
  })

  it("has a test", () => {
    const tests = readdirSync(new URL(`${workspace}/test`, packages))
    const hasTest = tests.some((file) => file.startsWith(`${name}.`))
    expect(hasTest, `packages/${workspace}/test/${name}.test.ts exists`).toBe(true)
  })

  it("has a page, which the README links", () => {
    const page = `docs/${name}.md`
    expect(existsSync(new URL(`${workspace}/${page}`, packages)), `packages/${workspace}/${page} exists`).toBe(true)
    const isLinked = read(`${workspace}/README.md`).includes(`(${page})`)
    expect(isLinked, `packages/${workspace}/README.md links ${page}`).toBe(true)
  })

  it("has a generator for the laws", () => {
    expect(usesIt.test(laws), `packages/laws/src/Wrappers.ts uses ${name}`).toBe(true)
  })

  it("has a row in the matrix of conformance", () => {
    expect(usesIt.test(matrix), `packages/conformance/test/matrix.test.ts uses ${name}`).toBe(true)
  })
})

it.each(Object.entries(Wrappers).filter(([name]) => name !== "all"))(
  "`Wrappers.all` contains `%s`",
  (_, generator) => {
    expect((Wrappers.all as ReadonlyArray<unknown>).includes(generator)).toBe(true)
  }
)
