/** Looks into the directory of a registry that no process has open. */
import { Effect } from "effect"
import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { buildProgram } from "../programs.js"

export interface Findings {
  /** What a scrub finds. Before a sweep, young bytes without metadata are no finding. */
  readonly findings: ReadonlyArray<string>
  /** The number of files of upload sessions. */
  readonly uploads: number
  /** The number of files of blobs that no metadata names. */
  readonly unnamed: number
}

const run = promisify(execFile)

/** Builds a program that inspects, in a process of its own: SQLite has all files closed only when the process ends. */
export const buildInspector = Effect.map(buildProgram("inspect"), (program) => {
  const inspect = (...args: ReadonlyArray<string>) =>
    Effect.promise(async () => JSON.parse((await run(process.execPath, [program, ...args])).stdout) as Findings)
  return {
    scrub: (directory: string) => Effect.map(inspect(directory), ({ findings }) => findings),
    /** Collects everything that has expired, and then scrubs. */
    sweep: (directory: string, grace: number) => inspect(directory, "sweep", String(grace))
  }
})

/** The result of a sweep after which nothing is left. */
export const swept: Findings = { findings: [], uploads: 0, unnamed: 0 }
