/** Runs the program in a runtime, and collects what it reports. */
import * as NodeChild from "@effect-oci/testing/NodeChild"
import * as NodeTemporary from "@effect-oci/testing/NodeTemporary"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as host from "./host.js"
import * as memory from "./memory.js"
import type { Check, Result } from "./program/Check.js"
import { programOf, type Runtime } from "./runtimes.js"

/** The results of the checks by their names. */
export type Results = ReadonlyMap<string, Result>

/** The program ended without a word, or did not end. */
export class RunFailed extends Data.TaggedError("RunFailed")<{ readonly reason: string; readonly output: string }> {
  override get message(): string {
    return `${this.reason}\n${this.output.trim()}`
  }
}

/** How much a process may grow while it transfers a large blob, in MiB: less than the blob has. */
const defaultMaxGrowth = 192

const mebibytes = (bytes: number) => Math.round(bytes / 1024 / 1024)

/** Fails a check that used too much memory, and replaces a failure that is a known limit of the runtime. */
const judge = (runtime: Runtime, check: Check, result: Result, growth: number): Result => {
  const { maxGrowth = defaultMaxGrowth } = runtime
  const isTooLarge = check.bounded === true && result._tag === "Works" && mebibytes(growth) > maxGrowth
  const judged: Result = isTooLarge
    ? { _tag: "Fails", reason: `the process grew by ${mebibytes(growth)} MiB` }
    : result
  const reason = judged._tag === "Fails" ? runtime.limits?.[check.name] : undefined
  return reason === undefined ? judged : { _tag: "Unavailable", reason }
}

const collect = (
  runtime: Runtime,
  { events }: host.Control,
  child: NodeChild.Child,
  checks: ReadonlyArray<Check>,
  onResult: (check: string, result: Result, growth: number) => Effect.Effect<void>
) =>
  Effect.gen(function*() {
    const results = new Map<string, Result>()
    let growth = () => 0
    for (;;) {
      const event = yield* Queue.take(events)
      switch (event._tag) {
        case "Started":
          growth = yield* memory.watch(child.pid)
          break
        case "Ended": {
          const check = checks.find(({ name }) => name === event.check)!
          const result = judge(runtime, check, event.result, growth())
          results.set(event.check, result)
          yield* onResult(event.check, result, growth())
          break
        }
        case "Finished":
          if (event.error === undefined) return results
          return yield* new RunFailed({ reason: event.error, output: child.output() })
      }
    }
  })

/** Asks a program that listens to begin. It answers at its end. */
const trigger = (url: string) =>
  Effect.retry(Effect.tryPromise((signal) => fetch(url, { signal })), Schedule.spaced("100 millis"))

/** Runs checks in a runtime at a path, and returns their results. The end of the time kills the process. */
export const run = (
  runtime: Runtime,
  path: string,
  checks: ReadonlyArray<Check>,
  onResult: (check: string, result: Result, growth: number) => Effect.Effect<void> = () => Effect.void
): Effect.Effect<Results, RunFailed> =>
  Effect.gen(function*() {
    const program = yield* Effect.promise(() => programOf(runtime))
    const control = yield* host.start(checks.map(({ name }) => name), program)
    const folder = yield* NodeTemporary.directory
    const { args, command, env, trigger: url } = yield* runtime.start({ path, folder, program, control: control.url })
    const child = yield* NodeChild.start(command, args, { env, cwd: folder, patience: 2000 })
    const ended = Effect.flatMap(child.ended, () =>
      Effect.fail(new RunFailed({ reason: "the process ended early", output: child.output() })))
    if (url !== undefined) {
      yield* Effect.forkScoped(trigger(url))
    }
    return yield* Effect.raceFirst(collect(runtime, control, child, checks, onResult), Effect.delay(ended, "1 second"))
      .pipe(
        Effect.timeoutFail({
          duration: "20 minutes",
          onTimeout: () =>
            new RunFailed({ reason: "the run did not end in 20 minutes", output: child.output() })
        })
      )
  }).pipe(Effect.scoped, Effect.retry({ times: (runtime.tries ?? 1) - 1 }))
