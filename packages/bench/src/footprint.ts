/**
 * Counts what a program loads before it can start: modules in Node, and bytes in a browser. Both are the same in every run.
 * `budgets.json` contains the budgets. A number of modules may exceed its budget by less than half, a size by less than 5 %.
 */
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import { row } from "./internal/measure.js"
import type { Row } from "./internal/measure.js"
import { modulesOf, sizeOf } from "./internal/moduleGraph.js"

interface Budgets {
  /** The number of modules that each import loads, those of Effect included. */
  readonly modules: { readonly [specifier: string]: number }
  /** The sizes of programs, minified and compressed, without Effect. */
  readonly bytes: { readonly [name: string]: { readonly program: string; readonly budget: number } }
}

const budgets = JSON.parse(readFileSync(new URL("../budgets.json", import.meta.url), "utf8")) as Budgets

/** The specifiers that have a budget. */
export const specifiers: ReadonlyArray<string> = Object.keys(budgets.modules)

/** Returns the built file that a specifier such as `@effect-oci/core/Registry` leads to. */
const fileOf = (specifier: string): string => {
  const [, name, module = "index"] = specifier.split("/")
  return `packages/${name}/dist/${module}.js`
}

/** The modules that export all others of a package of Effect. Their import loads hundreds of modules. */
const barrel = /node_modules\/(effect|@effect\/[\w-]+)\/dist\/esm\/index\.js$/

const modules = Effect.gen(function*() {
  const loaded = yield* modulesOf(specifiers.map(fileOf))
  const countOf = (specifier: string, filter: (module: string) => boolean) =>
    [...loaded.get(fileOf(specifier)) ?? []].filter(filter).length
  const barrels = specifiers.filter((specifier) => countOf(specifier, (module) => barrel.test(module)) > 0)
  if (barrels.length > 0) return yield* Effect.fail(`these import all of a package of Effect: ${barrels.join(", ")}`)
  return specifiers.map((specifier) => {
    const figure = { name: specifier, unit: "modules", better: "lower", target: budgets.modules[specifier] } as const
    return row({ ...figure, limit: 1.5 }, [countOf(specifier, () => true)])
  })
})

const sizes = Effect.forEach(
  Object.entries(budgets.bytes),
  ([name, { budget, program }]) =>
    Effect.map(
      sizeOf(program),
      (bytes) => row({ name, unit: "bytes", better: "lower", target: budget, limit: 1.05 }, [bytes])
    )
)

export const run: Effect.Effect<ReadonlyArray<Row>, unknown> = Effect.map(
  Effect.all([modules, sizes]),
  (rows) => rows.flat()
)
