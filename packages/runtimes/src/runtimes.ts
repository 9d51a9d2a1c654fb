/** The runtimes: where each comes from, and how it runs the program. */
import { bundle } from "@effect-oci/testing/NodeBundle"
import * as NodeDebian from "@effect-oci/testing/NodeDebian"
import * as NodePeers from "@effect-oci/testing/NodePeers"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as packages from "./packages.js"
import { streamed } from "./program/client.js"

/** A command that runs the program. */
export interface Command {
  readonly command: string
  readonly args: ReadonlyArray<string>
  readonly env?: { readonly [name: string]: string }
  /** A URL to request when the program listens. Absent if the program starts by itself. */
  readonly trigger?: string
}

export interface Runtime {
  readonly name: string
  /** The file of the program's entry. */
  readonly entry: string
  /** Returns the path of the runtime if it is on this machine. */
  readonly find: () => string | undefined
  readonly install: Effect.Effect<string, packages.Missing>
  /** Returns the command that runs a bundled program, which reports to a URL. `folder` is for files of the run. */
  readonly start: (run: {
    readonly path: string
    readonly folder: string
    readonly program: string
    readonly control: string
  }) => Effect.Effect<Command, never, Scope.Scope>
  /** How often the run is tried, if the runtime does not end in time. Default: 1. */
  readonly tries?: number
  /** How much the runtime may grow while it transfers a large blob, in MiB. Default: 192. */
  readonly maxGrowth?: number
  /** Why a check fails in this runtime, by the name of the check. */
  readonly limits?: { readonly [check: string]: string }
  /** Arguments before the file of a program, if the runtime runs programs of Node. Absent if it does not. */
  readonly script?: ReadonlyArray<string>
}

const { arch, platform } = process

/** Programs are bundled from sources or from what was built of them, like this module. */
const extension = import.meta.url.endsWith(".ts") ? ".ts" : ".js"

const entry = (name: string) => fileURLToPath(new URL(`program/${name}${extension}`, import.meta.url))

const fromNpm = (npm: packages.Npm) => ({ find: () => packages.find(npm), install: packages.install(npm) })

/** A runtime that runs a module as a process of its own. */
const processes = (name: string, npm: packages.Npm, script: ReadonlyArray<string> = []): Runtime => ({
  name,
  entry: entry("process"),
  ...fromNpm(npm),
  script,
  start: ({ control, folder, path, program }) =>
    Effect.sync(() => {
      const file = join(folder, "program.mjs")
      writeFileSync(file, program)
      return { command: path, args: [...script, file, control] }
    })
})

const node = (version: string): Runtime => ({
  ...processes(`Node ${version.split(".")[0]}`, { name: `node-${platform}-${arch}`, version, file: "bin/node" }),
  limits: {
    [streamed.name]:
      "`fetch` of Node keeps what it sends in memory ([undici 4058](https://github.com/nodejs/undici/issues/4058)). " +
      "`NodeHttp` and `NodeClient` do not, and neither does `chunkSize`."
  }
})

export const bun = processes("Bun", {
  name: `@oven/bun-${platform}-${arch === "arm64" ? "aarch64" : arch}`,
  version: "1.4.4",
  file: "bin/bun"
}, ["run"])

export const deno = processes("Deno", {
  name: `@deno/${platform}-${arch}${platform === "linux" ? "-glibc" : ""}`,
  version: "2.9.6",
  file: "deno"
}, ["run", "--allow-all", "--quiet"])

const workerConfiguration = (port: number) => `
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .program),
    (name = "internet", network = (allow = ["public", "private"]))
  ],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")]
);
const program :Workerd.Worker = (
  modules = [(name = "program.js", esModule = embed "program.js")],
  compatibilityDate = "2026-04-01",
  compatibilityFlags = ["nodejs_compat"]
);
`

const workerd: Runtime = {
  name: "workerd",
  entry: entry("worker"),
  ...fromNpm({
    name: `@cloudflare/workerd-${platform}-${arch === "x64" ? "64" : arch}`,
    version: "1.20261117.1",
    file: "bin/workerd"
  }),
  // Some runs do not end: its garbage collector repeats a task for ever.
  tries: 2,
  start: ({ control, folder, path, program }) =>
    Effect.map(NodePeers.freePort, (port) => {
      writeFileSync(join(folder, "program.js"), program)
      writeFileSync(join(folder, "worker.capnp"), workerConfiguration(port))
      const trigger = `http://127.0.0.1:${port}/run?control=${encodeURIComponent(control)}`
      return { command: path, args: ["serve", join(folder, "worker.capnp")], trigger }
    })
}

const debian: NodeDebian.Options = {
  cache: join(packages.cache, "chromium"),
  packages: ["chromium", "fonts-dejavu-core"]
}

/** Chromium runs in a chroot with `/tmp` in memory, which contains its profile. */
const chromium: Runtime = {
  name: "Chromium",
  // It has three processes, and each of them keeps garbage: 200 to 270 MiB, also for a blob of 768 MiB.
  maxGrowth: 384,
  entry: entry("page"),
  find: () => NodeDebian.isUnpacked(debian) && NodeDebian.obstacle(debian) === undefined ? "unshare" : undefined,
  install: Effect.gen(function*() {
    const obstacle = NodeDebian.obstacle(debian)
    if (obstacle !== undefined) return yield* new packages.Missing({ reason: obstacle })
    if (!NodeDebian.isUnpacked(debian)) {
      yield* Effect.tryPromise({
        try: () => NodeDebian.unpack(debian),
        catch: (error) => new packages.Missing({ reason: `Debian's packages cannot be unpacked: ${String(error)}` })
      })
    }
    return "unshare"
  }),
  start: ({ control, path }) =>
    Effect.succeed({
      command: path,
      args: [
        ...NodeDebian.inRoot(debian, { temporary: true }),
        "/usr/lib/chromium/chromium",
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--user-data-dir=/tmp/profile",
        control
      ]
    })
}

/** All runtimes, in the order of the table. */
export const all: ReadonlyArray<Runtime> = [
  node("20.20.2"),
  node("22.23.3"),
  node("24.21.0"),
  bun,
  deno,
  workerd,
  chromium
]

/** The runtime of this process. */
export const here: Runtime = {
  ...node(process.versions.node),
  find: () => process.execPath,
  install: Effect.succeed(process.execPath)
}

/** Bundles the program for a runtime. */
export const programOf = (runtime: Runtime): Promise<string> =>
  bundle(runtime.entry, { platform: runtime.script === undefined ? "browser" : "node" })
