/**
 * Runs the suites that are named on the command line, or all suites, and prints their figures as tables in Markdown.
 * The exit code is not 0 if a figure is twice as bad as its target.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as blobs from "./blobs.js"
import * as copies from "./copies.js"
import * as files from "./files.js"
import * as images from "./images.js"
import { failures, table } from "./internal/measure.js"
import type { Suite } from "./internal/measure.js"
import * as large from "./large.js"
import * as manifests from "./manifests.js"
import * as metadata from "./metadata.js"
import * as postgres from "./postgres.js"
import * as scale from "./scale.js"
import * as stacks from "./stacks.js"
import * as wrappers from "./wrappers.js"

const suites: ReadonlyArray<Suite> = [
  { name: "wrappers", run: wrappers.run },
  { name: "stacks", run: stacks.run },
  { name: "blobs", run: blobs.run },
  { name: "manifests", run: manifests.run },
  { name: "copies", run: copies.run },
  { name: "postgres", run: postgres.run },
  {
    name: "stores",
    run: Effect.map(Effect.all([files.run, metadata.run, images.run, large.run, scale.run]), (rows) => rows.flat())
  }
]

const program = Effect.gen(function*() {
  const names = process.argv.slice(2)
  const unknown = names.filter((name) => !suites.some((suite) => suite.name === name))
  if (unknown.length > 0) {
    const known = suites.map((suite) => suite.name).join(", ")
    return yield* Effect.fail(`no such suite: ${unknown.join(", ")}. There are: ${known}`)
  }
  let failed = 0
  for (const suite of suites.filter((suite) => names.length === 0 || names.includes(suite.name))) {
    const rows = yield* suite.run
    yield* Console.log(`## ${suite.name}\n\n${table(rows)}\n`)
    failed += failures(rows).length
  }
  if (failed > 0) return yield* Effect.fail(`figures twice as bad as their target: ${failed}`)
})

NodeRuntime.runMain(program)
