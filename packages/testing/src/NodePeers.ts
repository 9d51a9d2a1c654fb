/**
 * Programs of other projects, for tests of a registry. Servers: `docker-registry` (CNCF distribution) and
 * `crane registry serve`. Clients: `skopeo`, `crane`, `oras`, `regctl`, `ctr` with `containerd` (`NodeContainerd`). Suites: `oci-conformance`, the official suite
 * of the distribution spec. Servers listen on 127.0.0.1. All programs end with
 * the process that started them, even if that process is killed.
 *
 * @since 0.1.0
 */
import * as Command from "@effect/platform/Command"
import type * as CommandExecutor from "@effect/platform/CommandExecutor"
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { accessSync, constants } from "node:fs"
import { createServer } from "node:net"
import type { AddressInfo } from "node:net"
import { delimiter, join } from "node:path"
import * as NodeChild from "./NodeChild.js"

/**
 * The name of a program. `docker-registry`, `skopeo` and `curl` are also the names of Debian's
 * packages. `oci-conformance` is the program in the folder `conformance` of
 * https://github.com/opencontainers/distribution-spec, built under that name.
 *
 * @since 0.1.0
 * @category models
 */
export type Peer =
  | "docker-registry"
  | "skopeo"
  | "curl"
  | "crane"
  | "oras"
  | "regctl"
  | "containerd"
  | "ctr"
  | "oci-conformance"

/**
 * A program did not start, or failed. `output` contains its standard output and standard error.
 *
 * @since 0.1.0
 * @category errors
 */
export class PeerFailed extends Data.TaggedError("PeerFailed")<{
  readonly peer: Peer
  readonly args: ReadonlyArray<string>
  readonly reason: string
  readonly output: string
}> {
  override get message(): string {
    return `${[this.peer, ...this.args].join(" ")}: ${this.reason}\n${this.output.trim()}`
  }
}

/**
 * Returns the programs that are not on the `PATH`.
 *
 * @since 0.1.0
 * @category getters
 */
export const missing = (...peers: ReadonlyArray<Peer>): ReadonlyArray<Peer> => {
  const folders = (process.env["PATH"] ?? "").split(delimiter)
  return peers.filter((peer) => !folders.some((folder) => isExecutable(join(folder, peer))))
}

/** The peers that Debian has as packages, so that every CI run can install them. */
const packaged: ReadonlySet<Peer> = new Set(["docker-registry", "skopeo", "curl"])

/**
 * Returns whether the peers of a test suite are installed. If a peer is missing, the function prints a message, so that
 * the suite can be left out. Throws an error if `CI` is `true` and one of Debian's packages is missing.
 *
 * @since 0.1.0
 * @category getters
 */
export const have = (...peers: ReadonlyArray<Peer>): boolean => {
  const absent = missing(...peers)
  if (absent.length === 0) return true
  const required = absent.filter((peer) => packaged.has(peer)).join(" ")
  if (process.env["CI"] === "true" && required !== "") {
    throw new Error(`missing: ${required}. apt-get install ${required}`)
  }
  process.stderr.write(`Left out, because these programs are not on the PATH: ${absent.join(" ")}\n`)
  return false
}

const isExecutable = (file: string): boolean => {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/**
 * A running registry of another project.
 *
 * @since 0.1.0
 * @category models
 */
export interface Server {
  /** `host:port`, as used in references and by clients. */
  readonly authority: string
  readonly pid: number
  /** Returns the last 64 KiB of the server's log. */
  readonly log: Effect.Effect<string>
}

/**
 * Options for `docker-registry`. `auth` is the section `auth` of its configuration.
 *
 * @since 0.1.0
 * @category models
 */
export interface DockerRegistryOptions {
  readonly auth?: { readonly [kind: string]: { readonly [parameter: string]: string } } | undefined
  /** The headers of all answers, such as those of CORS. */
  readonly headers?: { readonly [name: string]: ReadonlyArray<string> } | undefined
}

const config = (folder: string, port: number, { auth, headers = {} }: DockerRegistryOptions) => `
version: 0.1
log: { level: error, accesslog: { disabled: true } }
storage:
  cache: { blobdescriptor: inmemory }
  filesystem: { rootdirectory: ${JSON.stringify(join(folder, "data"))} }
  delete: { enabled: true }
  maintenance: { uploadpurging: { enabled: false } }
http: { addr: "127.0.0.1:${port}", headers: ${JSON.stringify(headers)} }
${auth === undefined ? "" : `auth: ${JSON.stringify(auth)}`}
`

type Requirements = CommandExecutor.CommandExecutor | FileSystem.FileSystem | Scope.Scope

/** Starts a server, and returns when the server answers. */
const start = (
  peer: Peer,
  authority: string,
  args: ReadonlyArray<string>
): Effect.Effect<Server, PeerFailed, Scope.Scope> =>
  Effect.gen(function*() {
    const running = yield* NodeChild.start(peer, args)
    const failed = (reason: string) => new PeerFailed({ peer, args, reason, output: running.output() })
    yield* answering(authority).pipe(
      Effect.raceFirst(Effect.zipRight(running.ended, Effect.suspend(() => failed("it ended before it answered")))),
      Effect.timeoutFail({ duration: "20 seconds", onTimeout: () => failed("it did not answer in 20 seconds") })
    )
    return { authority, pid: running.pid, log: Effect.sync(running.output) }
  })

/**
 * Starts a `docker-registry` with an empty store in a temporary folder. The registry allows deletes. It stops when the
 * scope closes.
 *
 * @since 0.1.0
 * @category constructors
 */
export const dockerRegistryWith = (
  options: DockerRegistryOptions
): Effect.Effect<Server, PeerFailed | PlatformError, Requirements> =>
  Effect.gen(function*() {
    const files = yield* FileSystem.FileSystem
    const folder = yield* files.makeTempDirectoryScoped({ prefix: "docker-registry-" })
    const port = yield* freePort
    const file = join(folder, "config.yml")
    yield* files.writeFileString(file, config(folder, port, options))
    return yield* start("docker-registry", `127.0.0.1:${port}`, ["serve", file])
  })

/**
 * Starts a `docker-registry` without authentication.
 *
 * @since 0.1.0
 * @category constructors
 */
export const dockerRegistry = dockerRegistryWith({})

/**
 * Starts `crane registry serve` (the server of go-containerregistry) with an empty store in memory. It stops when the
 * scope closes.
 *
 * @since 0.1.0
 * @category constructors
 */
export const craneRegistry: Effect.Effect<Server, PeerFailed | PlatformError, Requirements> = Effect.gen(function*() {
  const authority = `127.0.0.1:${yield* freePort}`
  return yield* start("crane", authority, ["registry", "serve", "--address", authority])
})

/** Waits until a registry answers with success or 401. */
const answering = (authority: string): Effect.Effect<void> =>
  Effect.tryPromise((signal) => fetch(`http://${authority}/v2/`, { signal })).pipe(
    Effect.filterOrFail((response) => response.ok || response.status === 401),
    Effect.flatMap((response) => Effect.promise(() => response.text())),
    Effect.retry(Schedule.spaced(Duration.millis(25))),
    Effect.orDie,
    Effect.asVoid
  )

/**
 * Returns a port that was free a moment ago.
 *
 * @since 0.1.0
 * @category getters
 */
export const freePort: Effect.Effect<number> = Effect.async((resume) => {
  const server = createServer()
  server.listen(0, "127.0.0.1", () => {
    const { port } = server.address() as AddressInfo
    server.close(() => resume(Effect.succeed(port)))
  })
})

const skopeoFlags: { readonly [command: string]: ReadonlyArray<string> } = {
  copy: ["--src-tls-verify=false", "--dest-tls-verify=false"],
  logout: []
}

/**
 * Runs a client to its end and returns its standard output. `env` adds variables to the environment. Fails if the exit
 * code of the client is not 0.
 *
 * @since 0.1.0
 * @category constructors
 */
export const run = (
  peer: Peer,
  args: ReadonlyArray<string>,
  env: { readonly [name: string]: string } = {}
): Effect.Effect<string, PeerFailed | PlatformError, CommandExecutor.CommandExecutor> =>
  Effect.scoped(Effect.gen(function*() {
    const running = yield* Command.start(Command.env(Command.make(peer, ...args), env))
    const [stdout, stderr, exitCode] = yield* Effect.all([
      Stream.mkString(Stream.decodeText(running.stdout)),
      Stream.mkString(Stream.decodeText(running.stderr)),
      running.exitCode
    ], { concurrency: 3 })
    if (exitCode === 0) return stdout
    return yield* new PeerFailed({ peer, args, reason: `exit code ${exitCode}`, output: stdout + stderr })
  }))

/**
 * Runs `skopeo` and returns its standard output. `skopeo` connects over plain HTTP and uses the platform linux/amd64 on
 * every machine. It stops after two minutes.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import * as NodePeers from "@effect-oci/testing/NodePeers"
 *
 * const copy = NodePeers.skopeo("copy", "--all", "oci:layout:v1", "docker://127.0.0.1:5000/team/app:v1")
 * ```
 */
export const skopeo = (
  command: "copy" | "delete" | "inspect" | "list-tags" | "login" | "logout",
  ...args: ReadonlyArray<string>
): Effect.Effect<string, PeerFailed | PlatformError, CommandExecutor.CommandExecutor> => {
  const insecure = skopeoFlags[command] ?? ["--tls-verify=false"]
  const platform = ["--override-os", "linux", "--override-arch", "amd64"]
  return run("skopeo", [
    "--insecure-policy",
    "--command-timeout",
    "2m",
    ...platform,
    command,
    ...insecure,
    ...args
  ])
}

/**
 * Lists the tags of a repository with each of the clients.
 *
 * @since 0.1.0
 * @category constructors
 */
export const listTags: {
  readonly [client in "crane" | "oras" | "regctl" | "skopeo"]: (
    repository: string
  ) => Effect.Effect<ReadonlyArray<string>, PeerFailed | PlatformError, CommandExecutor.CommandExecutor>
} = {
  crane: (repository) => Effect.map(run("crane", ["--insecure", "ls", repository]), lines),
  oras: (repository) => Effect.map(run("oras", ["repo", "tags", "--plain-http", repository]), lines),
  regctl: (repository) => {
    const host = repository.slice(0, repository.indexOf("/"))
    return Effect.map(run("regctl", ["--host", `reg=${host},tls=disabled`, "tag", "ls", repository]), lines)
  },
  skopeo: (repository) =>
    Effect.map(
      skopeo("list-tags", `docker://${repository}`),
      (text) => (JSON.parse(text) as { readonly Tags: ReadonlyArray<string> }).Tags
    )
}

const lines = (text: string): ReadonlyArray<string> => text.split("\n").filter((line) => line !== "")

/**
 * Options for the official suite. `version` is the version of the distribution spec; `dev` is the version after 1.1.
 *
 * @since 0.1.0
 * @category models
 */
export interface OfficialSuiteOptions {
  readonly authority: string
  readonly version: "1.1" | "dev"
  readonly username?: string
  readonly password?: string
}

/**
 * Runs the official suite of the distribution spec against a registry that speaks plain HTTP, and returns its report.
 * Fails with the report if a test fails.
 *
 * @since 0.1.0
 * @category constructors
 */
export const officialSuite = (
  { authority, password = "", username = "", version }: OfficialSuiteOptions
): Effect.Effect<string, PeerFailed | PlatformError, CommandExecutor.CommandExecutor | FileSystem.FileSystem> =>
  Effect.scoped(Effect.gen(function*() {
    const files = yield* FileSystem.FileSystem
    return yield* run("oci-conformance", [], {
      OCI_VERSION: version,
      OCI_REGISTRY: authority,
      OCI_TLS: "disabled",
      OCI_USERNAME: username,
      OCI_PASSWORD: password,
      OCI_REPO1: `${username === "" ? "conformance" : username}/one`,
      OCI_REPO2: `${username === "" ? "conformance" : username}/two`,
      OCI_RESULTS_DIR: yield* files.makeTempDirectoryScoped({ prefix: "oci-conformance-" })
    })
  }))
