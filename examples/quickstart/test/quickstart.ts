/** Builds the quickstart and runs it as a program. */
import { Effect } from "effect"
import type { Scope } from "effect"
import { spawn, spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import { createRequire } from "node:module"
import { createServer } from "node:net"
import type { AddressInfo } from "node:net"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const example = fileURLToPath(new URL("..", import.meta.url))
const main = fileURLToPath(new URL("../dist/main.js", import.meta.url))
const tsc = fileURLToPath(new URL("../../../node_modules/typescript/bin/tsc", import.meta.url))
/** Builds the page of the explorer in a clone. An installed package contains the page. */
const page = join(
  dirname(createRequire(import.meta.url).resolve("@effect-oci/explorer/package.json")),
  "scripts/build.mjs"
)

/** The build takes half a minute in a clean clone, and a second after that. */
export const build = (): void => {
  for (const args of [[tsc, "-b", example], ...existsSync(page) ? [[page]] : []]) {
    const { status, stderr, stdout } = spawnSync(process.execPath, args, { encoding: "utf8" })
    if (status !== 0) throw new Error(stdout + stderr)
  }
}

export interface Quickstart {
  readonly pid: number
  readonly stdout: () => string
  readonly stderr: () => string
  /** Returns its exit code, or the signal that ended it. */
  readonly ended: Effect.Effect<number | NodeJS.Signals>
  /** Waits until the demo is over and the quickstart serves. */
  readonly serving: Effect.Effect<void>
  readonly signal: (signal: NodeJS.Signals) => Effect.Effect<void>
}

/** Runs the quickstart on a port until the scope closes, with its content in memory. */
export const run = (port: number, ...args: ReadonlyArray<string>) => runProgram(main, port, args, { MEMORY: "1" })

/** Runs the quickstart with its content in a directory. */
export const runIn = (directory: string, port: number, ...args: ReadonlyArray<string>) =>
  runProgram(main, port, args, { DATA: directory })

/** Runs a program with the quickstart, on a port, until the scope closes. */
export const runProgram = (
  program: string,
  port: number,
  args: ReadonlyArray<string>,
  environment: { readonly [name: string]: string }
): Effect.Effect<Quickstart, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const child = spawn(process.execPath, [program, ...args], {
          env: { ...process.env, PORT: String(port), ...environment },
          stdio: ["ignore", "pipe", "pipe"]
        })
        const written = { stdout: "", stderr: "" }
        for (const name of ["stdout", "stderr"] as const) {
          child[name].setEncoding("utf8").on("data", (text: string) => {
            written[name] += text
            child.emit("written")
          })
        }
        const ended = new Promise<number | NodeJS.Signals>((resolve) =>
          child.once("close", (code, signal) => resolve(code ?? signal ?? "SIGKILL"))
        )
        return { child, written, ended }
      }),
      ({ child }) => Effect.sync(() => child.kill("SIGKILL"))
    ),
    ({ child, ended, written }) => ({
      pid: child.pid ?? 0,
      stdout: () => written.stdout,
      stderr: () => written.stderr,
      ended: Effect.promise(() => ended),
      serving: Effect.async<void>((resume) => {
        const look = () => {
          if (!written.stdout.includes("until Ctrl-C")) return
          child.off("written", look)
          resume(Effect.void)
        }
        child.on("written", look)
        void ended.then(() => resume(Effect.dieMessage(`it ended: ${written.stdout}${written.stderr}`)))
        look()
      }),
      signal: (signal) => Effect.sync(() => child.kill(signal))
    })
  )

/** Listens on a port until the scope closes. Default: any free port. */
export const listen = (port = 0): Effect.Effect<number, Error, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.async<ReturnType<typeof createServer>, Error>((resume) => {
      const server = createServer()
      server.once("error", (error) => resume(Effect.fail(error)))
      server.listen(port, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.async<void>((resume) => void server.close(() => resume(Effect.void)))
  ).pipe(Effect.map((server) => (server.address() as AddressInfo).port))

/** Returns a port that was free a moment ago. */
export const freePort: Effect.Effect<number, Error> = Effect.scoped(listen())
