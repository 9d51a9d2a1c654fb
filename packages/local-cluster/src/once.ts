/** Tests the cluster: each step prints a line, and the last line is a summary. */
import { Ledger } from "@effect-oci/testing/Ledger"
import type * as NodeContext from "@effect/platform-node/NodeContext"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import type { Cluster } from "./cluster.js"
import * as check from "./once/check.js"
import * as conformance from "./once/conformance.js"
import * as kills from "./once/kills.js"
import * as load from "./once/load.js"
import { Broken } from "./once/step.js"
import type { Context, Step } from "./once/step.js"
import * as uploads from "./once/uploads.js"

type Requirements = NodeContext.NodeContext

export const steps: ReadonlyArray<Step<Requirements>> = [
  { title: "conformance through nginx", run: conformance.ours },
  { title: "official suite through nginx", run: conformance.official },
  { title: "chunks of an upload to different nodes", run: uploads.alternate },
  { title: "two nodes at one offset", run: uploads.contend },
  { title: "a node is killed", run: load.killNode },
  { title: "PostgreSQL restarts", run: load.restartDatabase },
  { title: "S3 answers 503 for 10 seconds", run: load.refuseS3 },
  { title: "rolling restart", run: load.rollingRestart },
  { title: "collector each second, grace 2 seconds", run: load.collect },
  { title: "check of both stores", run: check.scrub }
]

/** Steps that take long. */
export const longSteps: ReadonlyArray<Step<Requirements>> = [
  { title: "nodes and PostgreSQL are killed", run: kills.run }
]

/** The longest time that a step takes in addition to its load, in seconds. */
const patience = 150

/** Runs a step. Returns whether it succeeded. */
const runStep = ({ run, title }: Step<Requirements>, context: Context) =>
  Effect.gen(function*() {
    const limit = patience + context.collectSeconds
    const startedAt = yield* Clock.currentTimeMillis
    const result = yield* run(context).pipe(
      Effect.timeoutFail({
        duration: limit * 1000,
        onTimeout: () => new Broken({ problems: [`it did not end in ${limit} seconds`] })
      }),
      Effect.either
    )
    const seconds = (((yield* Clock.currentTimeMillis) - startedAt) / 1000).toFixed(1)
    const isGood = result._tag === "Right"
    const detail = isGood ? result.right : result.left.message
    yield* Console.log(`${isGood ? "ok    " : "FAILED"} ${seconds.padStart(5)} s  ${title}: ${detail}`)
    return isGood
  })

export interface RunOptions extends Pick<Context, "seconds" | "collectSeconds"> {
  readonly steps: ReadonlyArray<Step<Requirements>>
}

/** Runs steps one after the other. Returns whether all succeeded. */
export const run = (cluster: Cluster, options: RunOptions = { seconds: 4, collectSeconds: 20, steps }) =>
  Effect.gen(function*() {
    const context: Context = { cluster, ledger: new Ledger(), ...options }
    const results = yield* Effect.forEach(options.steps, (step) => runStep(step, context))
    const failed = results.filter((isGood) => !isGood).length
    yield* Console.log(`\n${results.length - failed} steps succeeded, ${failed} failed`)
    return failed === 0
  })
