/** Runs programs of `examples` in the runtimes that run programs of Node. */
import * as Registry from "@effect-oci/core/Registry"
import * as RepositoryName from "@effect-oci/core/RepositoryName"
import * as Tag from "@effect-oci/core/Tag"
import * as NodeRegistryServer from "@effect-oci/server/NodeRegistryServer"
import * as Memory from "@effect-oci/store/Memory"
import * as NodeImages from "@effect-oci/testing/NodeImages"
import * as NodePeers from "@effect-oci/testing/NodePeers"
import * as NodeTemporary from "@effect-oci/testing/NodeTemporary"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import type { Result } from "./program/Check.js"
import type { Results } from "./run.js"
import type { Runtime } from "./runtimes.js"

/** Runs a program of an example in a runtime, in a directory. Fails unless the program ends with 0. */
type Run = (
  example: string,
  args: ReadonlyArray<string>,
  env?: { readonly [name: string]: string }
) => Effect.Effect<void, Error>

interface Example {
  readonly name: string
  readonly run: (run: Run) => Effect.Effect<void, Error, Scope.Scope>
}

const quickstart = (env: { readonly [name: string]: string }): Example["run"] => (run) =>
  Effect.flatMap(NodePeers.freePort, (port) => run("quickstart", ["--once"], { ...env, PORT: String(port) }))

/** Copies an image from a registry into a layout, and from there to another repository. */
const copy: Example["run"] = (run) =>
  Effect.gen(function*() {
    const context = yield* Layer.build(
      NodeRegistryServer.layer({ port: 0 }).pipe(Layer.provideMerge(Memory.layer()), Layer.orDie)
    )
    const registry = Context.get(context, Registry.Registry)
    const { authority } = Context.get(context, NodeRegistryServer.Address)
    const v1 = Tag.make("v1")
    const image = NodeImages.image([100_000, 5_000_000])
    yield* Effect.orDie(NodeImages.push(registry, RepositoryName.make("team/app"), image, [v1]))
    yield* run("copy", [`${authority}/team/app:v1`, "oci:layout:v1"])
    yield* run("copy", ["oci:layout:v1", `${authority}/team/copy:v1`])
    const { digest } = yield* registry.resolveManifest(RepositoryName.make("team/copy"), v1)
    if (digest !== image.descriptor.digest) return yield* Effect.fail(new Error("the copy has another digest"))
  })

/** The programs, in the order of the table. */
export const checks: ReadonlyArray<Example> = [
  { name: "`examples/copy`: from a registry into a layout, and back", run: copy },
  { name: "`examples/quickstart`, in memory", run: quickstart({ MEMORY: "1", EXPLORER: "0" }) },
  { name: "`examples/quickstart`, in files and SQLite", run: quickstart({ EXPLORER: "0" }) }
]

const programOf = (example: string) =>
  fileURLToPath(new URL(`../../../examples/${example}/dist/main.js`, import.meta.url))

const runIn = (command: string, script: ReadonlyArray<string>, cwd: string): Run => (example, args, env) =>
  Effect.asVoid(Effect.tryPromise({
    try: () =>
      promisify(execFile)(command, [...script, programOf(example), ...args], {
        cwd,
        env: { ...process.env, ...env },
        timeout: 60_000,
        killSignal: "SIGKILL"
      }),
    catch: (error) => error as Error
  }))

const resultOf = ({ name, run }: Example, path: string, script: ReadonlyArray<string>): Effect.Effect<Result> =>
  Effect.flatMap(NodeTemporary.directory, (directory) => run(runIn(path, script, directory))).pipe(
    Effect.scoped,
    Effect.match({
      onSuccess: (): Result => ({ _tag: "Works" }),
      onFailure: ({ message }): Result => ({ _tag: "Fails", reason: `${name}: ${message}` })
    })
  )

/** Runs the programs in a runtime at a path, and returns the results. */
export const run = (
  { script }: Runtime,
  path: string,
  onResult: (check: string, result: Result) => Effect.Effect<void>
): Effect.Effect<Results> =>
  Effect.map(
    Effect.forEach(checks, (example) =>
      Effect.gen(function*() {
        const result: Result = script === undefined
          ? { _tag: "Unavailable", reason: "the runtime does not run programs of Node" }
          : yield* resultOf(example, path, script)
        yield* onResult(example.name, result)
        return [example.name, result] as const
      })),
    (results) => new Map(results)
  )
