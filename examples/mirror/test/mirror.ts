/** Builds the mirror and runs it as a program. */
import { Command, FileSystem } from "@effect/platform"
import { Effect, Fiber, Schedule, Stream } from "effect"
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"

const example = fileURLToPath(new URL("..", import.meta.url))
const main = fileURLToPath(new URL("../dist/main.js", import.meta.url))
const tsc = fileURLToPath(new URL("../../../node_modules/typescript/bin/tsc", import.meta.url))

/** The build takes half a minute in a clean clone, and a second after that. */
export const build = (): void => {
  const { status, stdout } = spawnSync(process.execPath, [tsc, "-b", example], { encoding: "utf8" })
  if (status !== 0) throw new Error(stdout)
}

/** Runs the mirror with some settings, on any free port, until the scope closes. Default of `DATA`: a new directory. */
export const run = (settings: { readonly [name: string]: string; readonly DATA?: string }) =>
  Effect.gen(function*() {
    const files = yield* FileSystem.FileSystem
    const directory = settings.DATA ?? (yield* files.makeTempDirectoryScoped({ prefix: "mirror-" }))
    const program = Command.make(process.execPath, main).pipe(
      Command.env({ PORT: "0", ...settings, DATA: directory })
    )
    const running = yield* Command.start(program)
    const written = { out: "", log: "" }
    const keep = (name: "out" | "log", stream: typeof running.stdout) =>
      Stream.runForEach(Stream.decodeText(stream), (text) =>
        Effect.sync(() => {
          written[name] += text
        }))
    const reading = yield* Effect.forkScoped(
      Effect.all([keep("out", running.stdout), keep("log", running.stderr)], { concurrency: 2 })
    )
    /** Returns its exit code, after all of its output has arrived. */
    const ended = Effect.zipRight(Fiber.join(reading), running.exitCode)
    return {
      running,
      log: () => written.log,
      ended,
      /** Returns its `host:port` when it serves. */
      serving: Effect.suspend(() => {
        const authority = /serving on http:\/\/(\S+)/.exec(written.out)?.[1]
        return authority === undefined ? Effect.fail(`it does not serve: ${written.log}`) : Effect.succeed(authority)
      }).pipe(Effect.retry(Schedule.spaced("20 millis")), Effect.timeout("20 seconds"))
    }
  })
