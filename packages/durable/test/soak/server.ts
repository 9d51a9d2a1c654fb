/** Server processes that a test starts and kills. */
import type { Durable } from "@effect-oci/durable"
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { readFile } from "node:fs/promises"
import { buildProgram } from "../programs.js"

export interface ServerOptions extends Pick<Durable.Options, "directory" | "grace" | "uploadTimeToLive"> {
  /** In milliseconds. */
  readonly collectEvery: number
  /** A mutant: what the server does not sync to the disk. */
  readonly unsynced?: "files" | "directories" | "database" | undefined
}

export interface ServerProcess {
  readonly url: string
  readonly pid: number
  /** Kills the process with SIGKILL. Returns what it wrote to its standard error. */
  readonly kill: Effect.Effect<string>
}

/** Builds the program of the server. Its database syncs nothing if the mutant says so. */
export const buildServer = (unsynced?: ServerOptions["unsynced"]) =>
  buildProgram("server", (text) => {
    if (unsynced !== "database") return text
    const mutant = text.replaceAll(/PRAGMA synchronous = \$\{\w+\}/g, "PRAGMA synchronous = OFF")
    if (mutant === text) throw new Error("the program does not set `synchronous` where the mutant expects it")
    return mutant
  })

/** Starts the process. `serving` waits until it serves. The end of the scope kills it. */
export const startServer = (program: string, options: ServerOptions) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const child = spawn(process.execPath, [program, JSON.stringify(options)], {
        stdio: ["ignore", "pipe", "pipe"],
        env: { ...process.env, UV_THREADPOOL_SIZE: "16" }
      })
      const output = { text: "", errors: "" }
      child.stderr.setEncoding("utf8").on("data", (text: string) => {
        output.errors += text
      })
      const closed = once(child, "close")
      const kill = Effect.promise(async () => {
        child.kill("SIGKILL")
        await closed
        return output.errors
      })
      const serving = Effect.promise(async (): Promise<ServerProcess> => {
        const [line] = await Promise.race([once(child.stdout.setEncoding("utf8"), "data"), closed.then(() => [""])])
        const authority = String(line).trim()
        if (authority === "") throw new Error(`the server ended: ${output.errors}`)
        return { url: `http://${authority}`, pid: child.pid ?? 0, kill }
      })
      return { kill, serving }
    }),
    ({ kill }) => kill
  )

/** Returns the resident memory of a process in bytes. */
export const memoryOf = async ({ pid }: ServerProcess): Promise<number> => {
  const status = await readFile(`/proc/${pid}/status`, "utf8")
  return Number(/VmRSS:\s*(\d+) kB/.exec(status)?.[1]) * 1024
}
