/**
 * Tests the portable packages in each JavaScript runtime, and writes what works where to `docs/runtimes.md`.
 *
 *     npm run runtimes                   gets the runtimes, runs all checks, writes the table
 *     npm run runtimes -- Bun Deno       only these runtimes; writes no table
 *     npm run runtimes -- --check        fails if the table does not say what the run found
 *     npm run runtimes -- --all          fails if a runtime cannot be had
 *
 * The runtimes are kept in `~/.cache/effect-oci/runtimes`, or in the directory `RUNTIMES_CACHE`.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as examples from "./examples.js"
import type { Result } from "./program/Check.js"
import { checks } from "./program/checks.js"
import { type Results, run } from "./run.js"
import * as runtimes from "./runtimes.js"
import * as table from "./table.js"

const page = fileURLToPath(new URL("../../../docs/runtimes.md", import.meta.url))

const args = process.argv.slice(2)
const names = args.filter((arg) => !arg.startsWith("--")).map((name) => name.toLowerCase())
const isSelected = ({ name }: runtimes.Runtime) => names.length === 0 || names.includes(name.toLowerCase())

const mebibytes = (bytes: number) => `${Math.round(bytes / 1024 / 1024)} MiB`

/** Prints each result. */
const report = (check: string, result: Result, growth = 0) => {
  const more = growth > 32 * 1024 * 1024 ? ` (the process grew by ${mebibytes(growth)})` : ""
  return Console.log(
    result._tag === "Works"
      ? `  yes    ${check}${more}`
      : `  ${result._tag === "Fails" ? "FAILS " : "no    "} ${check}: ${result.reason}`
  )
}

/** Runs everything in a runtime, or returns `undefined` if this machine cannot have it. */
const resultsOf = (runtime: runtimes.Runtime): Effect.Effect<Results | undefined> =>
  Effect.gen(function*() {
    const path = yield* Effect.either(runtime.install)
    if (Either.isLeft(path)) {
      yield* Console.log(`${runtime.name}: left out: ${path.left.message}`)
      return undefined
    }
    yield* Console.log(`${runtime.name}: ${path.right}`)
    const started = performance.now()
    const results = yield* run(runtime, path.right, checks, report).pipe(
      Effect.catchAll(({ message }) => Effect.as(Console.log(`  FAILS  ${message}`), new Map() as Results))
    )
    const tried = yield* examples.run(runtime, path.right, report)
    yield* Console.log(`  ${((performance.now() - started) / 1000).toFixed(1)} s`)
    return new Map([...results, ...tried])
  })

const program = Effect.gen(function*() {
  const columns = new Map<string, Results>()
  for (const runtime of runtimes.all.filter(isSelected)) {
    const results = yield* resultsOf(runtime)
    if (results !== undefined) columns.set(runtime.name, results)
  }
  const rows = [...checks, ...examples.checks].map(({ name }) => name)
  const text = table.render(rows, columns)
  const isComplete = columns.size === runtimes.all.length
  const found = [...columns.values()]
  if (found.some((results) => rows.some((name) => (results.get(name)?._tag ?? "Fails") === "Fails"))) {
    process.exitCode = 1
  }
  if (args.includes("--all") && !isComplete) process.exitCode = 1
  if (!isComplete) return yield* Console.log(`\n${text}\n\nThe table of docs/runtimes.md needs a run of all runtimes.`)
  const current = readFileSync(page, "utf8")
  const updated = table.insert(current, text)
  if (updated === current) return yield* Console.log("docs/runtimes.md says what this run found.")
  if (!args.includes("--check")) {
    writeFileSync(page, updated)
    return yield* Console.log("docs/runtimes.md is written.")
  }
  process.exitCode = 1
  return yield* Console.log(`docs/runtimes.md does not say what this run found:\n\n${text}`)
})

NodeRuntime.runMain(program)
