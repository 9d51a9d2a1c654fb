import * as Effect from "effect/Effect"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as curl from "./curl.js"
import type { CommandFailed } from "./curl.js"

/** What a process used, from its start to its end. */
export interface Used {
  /** The time, in seconds. */
  readonly seconds: number
  /** The processor time, in seconds. */
  readonly cpu: number
  /** The maximum resident memory, in MiB. */
  readonly memory: number
}

const temporary = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "bench-time-"))),
  (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true }))
)

/** Runs a command to its end, and measures it by GNU `time`. */
export const measured = (command: string, ...args: ReadonlyArray<string>): Effect.Effect<Used, CommandFailed> =>
  Effect.scoped(Effect.gen(function*() {
    const file = join(yield* temporary, "used")
    const start = performance.now()
    yield* curl.run("/usr/bin/time", "--format", "%U %S %M", "--output", file, command, ...args)
    const seconds = (performance.now() - start) / 1000
    const [user = Number.NaN, system = Number.NaN, kilobytes = Number.NaN] = (yield* Effect.promise(() =>
      readFile(file, "utf8")
    )).trim().split(" ").map(Number)
    return { seconds, cpu: user + system, memory: kilobytes / 1024 }
  }))
