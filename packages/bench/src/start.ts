/**
 * Measures how long a start takes: the import of each package, in processor time more than Node alone, and the commands of
 * the repository, as whole processes and by `npm run`.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { execFileSync, spawn } from "node:child_process"
import { createServer } from "node:net"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import * as footprint from "./footprint.js"
import { folder } from "./internal/folder.js"
import { divided, interleave, row, samplesOf } from "./internal/measure.js"
import type { Row } from "./internal/measure.js"
import { root } from "./internal/moduleGraph.js"

const rounds = { warmUp: 1, rounds: 5 }

type Arguments = ReadonlyArray<string>

const spawned = (program: string, args: Arguments, env: NodeJS.ProcessEnv = {}) =>
  spawn(program, args, { cwd: root, env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "inherit"] })

/** Runs a program to its end, and returns the milliseconds. Dies if the program fails. */
const timed = (program: string, ...args: Arguments): Effect.Effect<number> =>
  Effect.async((resume) => {
    const start = performance.now()
    spawned(program, args).once("close", (code) =>
      resume(
        code === 0
          ? Effect.succeed(performance.now() - start)
          : Effect.dieMessage(`${program} ${args.join(" ")} ended with ${code}`)
      )).stdout.resume()
  })

const node = (...args: Arguments) => timed(process.execPath, ...args)

/** Starts a server until the scope closes, and returns the milliseconds until it printed a text. */
const serving = (
  text: string,
  program: string,
  args: Arguments,
  env: NodeJS.ProcessEnv
): Effect.Effect<number, never, Scope.Scope> =>
  Effect.flatMap(
    Effect.acquireRelease(
      Effect.sync(() => ({ start: performance.now(), child: spawned(program, args, env) })),
      ({ child }) =>
        Effect.async<void>((resume) => {
          child.once("exit", () => resume(Effect.void)).kill("SIGINT")
        })
    ),
    ({ child, start }) =>
      Effect.async<number>((resume) => {
        let printed = ""
        child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
          printed += chunk
          if (printed.includes(text)) resume(Effect.succeed(performance.now() - start))
        })
        child.once("close", (code) => resume(Effect.dieMessage(`${program} ${args.join(" ")} ended with ${code}`)))
      })
  )

const freePort = Effect.async<number>((resume) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const { port } = server.address() as AddressInfo
    server.close(() => resume(Effect.succeed(port)))
  })
})

/** Returns the milliseconds of processor time that Node needs for a module. */
const processorTime = (code: string): Effect.Effect<number> =>
  Effect.sync(() => {
    const print = "const { system, user } = process.cpuUsage(); console.log((system + user) / 1000)"
    const args = ["--input-type=module", "--eval", `${code}; ${print}`]
    return Number(execFileSync(process.execPath, args, { cwd: root, encoding: "utf8" }))
  })

const imports = Effect.gen(function*() {
  const cases = new Map([
    ["node", processorTime("")],
    ...footprint.specifiers.map((specifier) =>
      [specifier, processorTime(`import ${JSON.stringify(specifier)}`)] as const
    )
  ])
  const samples = samplesOf(yield* interleave(cases, rounds))
  const bare = samples("node")
  return footprint.specifiers.map((specifier) =>
    row(
      { name: `import of ${specifier}, processor time`, unit: "ms", better: "lower" },
      samples(specifier).map((time, round) => time - (bare[round] ?? Number.NaN))
    )
  )
})

const copy = ".ci/start.mjs examples/copy/src/main.ts".split(" ")

const commands = Effect.gen(function*() {
  const data = yield* folder
  const port = `${yield* freePort}`
  const image = `localhost:${port}/team/hello`
  const start = ".ci/start.mjs examples/quickstart/src/main.ts".split(" ")
  const served = (place: string) =>
    Effect.flatMap(
      freePort,
      (port) =>
        Effect.scoped(serving("until Ctrl-C", process.execPath, start, { DATA: join(data, place), PORT: `${port}` }))
    )
  yield* serving("until Ctrl-C", process.execPath, start, { MEMORY: "1", PORT: port })
  yield* node(...copy, `${image}:v1`, `${image}:v2`)
  const cases = new Map([
    ["node", node("--eval", "0")],
    ["help", node(...copy, "--help")],
    ["npm help", timed("npm", "run", "copy", "--", "--help")],
    ["noop", node(...copy, `${image}:v1`, `${image}:v2`)],
    ["npm noop", timed("npm", "run", "copy", "--", `${image}:v1`, `${image}:v2`)],
    ["start", served("registry")]
  ])
  const samples = samplesOf(yield* interleave(cases, rounds))
  const figure = (name: string, sample: string, target?: number) =>
    row({ name, unit: "ms", better: "lower", target }, samples(sample))
  return [
    figure("node, which does nothing", "node"),
    figure("copy --help", "help"),
    figure("npm run copy -- --help", "npm help", 300),
    figure("copy, of an image that the target has", "noop"),
    figure("npm run copy, of an image that the target has", "npm noop", 400),
    figure("the quickstart: until it serves", "start", 1000),
    row({ name: "copy --help, times node", unit: "", better: "lower" }, divided(samples("help"), samples("node"))),
    row({ name: "copy of nothing, times node", unit: "", better: "lower" }, divided(samples("noop"), samples("node")))
  ]
}).pipe(Effect.scoped)

export const run: Effect.Effect<ReadonlyArray<Row>, unknown> = Effect.map(
  Effect.all([footprint.run, imports, commands]),
  (rows) => rows.flat()
)
