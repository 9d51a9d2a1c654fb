/**
 * Runs the suites that are named on the command line, or all suites, and prints their figures as tables in Markdown.
 * The exit code is not 0 if a figure is far from its target: twice as bad, unless its suite has another limit.
 *
 *     --check   compares the figures with those of the last release, and fails if some are worse
 *     --save    keeps the figures as those of the last release
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { parseArgs } from "node:util"
import * as cluster from "./cluster.js"
import * as files from "./files.js"
import * as footprint from "./footprint.js"
import * as images from "./images.js"
import { failures, table } from "./internal/measure.js"
import type { Suite } from "./internal/measure.js"
import * as release from "./internal/release.js"
import * as large from "./large.js"
import * as manifests from "./manifests.js"
import * as metadata from "./metadata.js"
import * as peers from "./peers.js"
import * as postgres from "./postgres.js"
import * as scale from "./scale.js"
import * as stacks from "./stacks.js"
import * as start from "./start.js"
import * as transports from "./transports.js"
import * as wrappers from "./wrappers.js"

const suites: ReadonlyArray<Suite> = [
  { name: "footprint", run: footprint.run },
  { name: "start", run: start.run },
  { name: "wrappers", run: wrappers.run },
  { name: "stacks", run: stacks.run },
  { name: "transports", run: transports.run },
  { name: "peers", run: peers.run },
  { name: "manifests", run: manifests.run },
  { name: "postgres", run: postgres.run },
  { name: "cluster", run: cluster.run },
  {
    name: "stores",
    run: Effect.map(Effect.all([files.run, metadata.run, images.run, large.run, scale.run]), (rows) => rows.flat())
  }
]

const program = Effect.gen(function*() {
  const { positionals, values } = yield* Effect.try({
    try: () =>
      parseArgs({ options: { check: { type: "boolean" }, save: { type: "boolean" } }, allowPositionals: true }),
    catch: (error) => (error as Error).message
  })
  const unknown = positionals.filter((name) => !suites.some((suite) => suite.name === name))
  if (unknown.length > 0) {
    const known = suites.map((suite) => suite.name).join(", ")
    return yield* Effect.fail(`no such suite: ${unknown.join(", ")}. There are: ${known}`)
  }
  const before = yield* release.read
  const after: { [suite: string]: release.Release[string] } = {}
  const worse: Array<string> = []
  let failed = 0
  for (const suite of suites.filter(({ name }) => positionals.length === 0 || positionals.includes(name))) {
    const reference = yield* release.reference
    const rows = yield* suite.run
    yield* Console.log(`## ${suite.name}\n\n${table(rows)}\n`)
    failed += failures(rows).length
    after[suite.name] = release.figures(rows, reference)
    worse.push(...release.regressions(rows, before[suite.name] ?? {}, reference))
  }
  if (values.save === true) yield* release.write(after)
  if (failed > 0) yield* Console.error(`figures that are far from their target: ${failed}`)
  if (values.check === true) yield* Effect.forEach(worse, (line) => Console.error(line), { discard: true })
  if (failed > 0 || (values.check === true && worse.length > 0)) process.exitCode = 1
})

// Node 20 reads the certificates of this file before it starts any program: 0.03 s for those of Debian.
delete process.env["NODE_EXTRA_CA_CERTS"]

NodeRuntime.runMain(program)
