/**
 * Programs by others that a registry is tested against: a server, `docker-registry` (CNCF distribution), and a client,
 * `skopeo`. They run on 127.0.0.1 and end with the process that started them, however it ends.
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

/**
 * The peers by the names of their programs, which are also those of their packages in Debian.
 *
 * @since 0.1.0
 * @category models
 */
export type Peer = "docker-registry" | "skopeo" | "curl"

/**
 * A peer did not start, or ended otherwise than well; `output` is what it wrote to either stream.
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
 * Those of the peers that are not on the `PATH`.
 *
 * @since 0.1.0
 * @category getters
 */
export const missing = (...peers: ReadonlyArray<Peer>): ReadonlyArray<Peer> => {
  const folders = (process.env["PATH"] ?? "").split(delimiter)
  return peers.filter((peer) => !folders.some((folder) => isExecutable(join(folder, peer))))
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
 * A `docker-registry` that runs.
 *
 * @since 0.1.0
 * @category models
 */
export interface DockerRegistry {
  /** `host:port`, as references and clients take it. */
  readonly authority: string
  readonly pid: number
  /** The end of what it has written. */
  readonly log: Effect.Effect<string>
}

/**
 * How a `docker-registry` runs: `auth` is that section of its configuration.
 *
 * @since 0.1.0
 * @category models
 */
export interface DockerRegistryOptions {
  readonly auth?: { readonly [kind: string]: { readonly [parameter: string]: string } } | undefined
}

const config = (folder: string, port: number, { auth }: DockerRegistryOptions) => `
version: 0.1
log: { level: error, accesslog: { disabled: true } }
storage:
  cache: { blobdescriptor: inmemory }
  filesystem: { rootdirectory: ${JSON.stringify(join(folder, "data"))} }
  delete: { enabled: true }
  maintenance: { uploadpurging: { enabled: false } }
http: { addr: "127.0.0.1:${port}" }
${auth === undefined ? "" : `auth: ${JSON.stringify(auth)}`}
`

/**
 * It runs under a shell's process id, and ends where this process does, even by SIGKILL: the shell's child then reads
 * the end of its input.
 */
const script = `exec 3<&0; (cat <&3 >/dev/null; kill $$) & exec docker-registry serve "$0"`

/**
 * A `docker-registry` with an empty store, which takes requests by the time that it is given, for as long as the scope
 * lasts. It may delete, and its store is a folder that goes with it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const dockerRegistryWith = (
  options: DockerRegistryOptions
): Effect.Effect<
  DockerRegistry,
  PeerFailed | PlatformError,
  CommandExecutor.CommandExecutor | FileSystem.FileSystem | Scope.Scope
> =>
  Effect.gen(function*() {
    const files = yield* FileSystem.FileSystem
    const folder = yield* files.makeTempDirectoryScoped({ prefix: "docker-registry-" })
    const port = yield* freePort
    const authority = `127.0.0.1:${port}`
    const file = join(folder, "config.yml")
    yield* files.writeFileString(file, config(folder, port, options))
    const running = yield* Command.start(Command.make("sh", "-c", script, file))
    let log = ""
    const keep = (text: string) =>
      Effect.sync(() => {
        log = (log + text).slice(-64 * 1024)
      })
    yield* Effect.forkScoped(
      Stream.runForEach(Stream.decodeText(Stream.merge(running.stdout, running.stderr)), keep)
    )
    const failed = (reason: string) => new PeerFailed({ peer: "docker-registry", args: ["serve"], reason, output: log })
    const ended = Effect.zipRight(
      Effect.exit(running.exitCode),
      Effect.suspend(() => Effect.fail(failed("it ended before it answered")))
    )
    yield* answering(authority).pipe(
      Effect.raceFirst(ended),
      Effect.timeoutFail({ duration: "20 seconds", onTimeout: () => failed("it did not answer in 20 seconds") })
    )
    return { authority, pid: running.pid, log: Effect.sync(() => log) }
  })

/**
 * The same, open to everyone.
 *
 * @since 0.1.0
 * @category constructors
 */
export const dockerRegistry = dockerRegistryWith({})

/** Returns when a registry answers, be it that it asks for credentials. */
const answering = (authority: string): Effect.Effect<void> =>
  Effect.tryPromise((signal) => fetch(`http://${authority}/v2/`, { signal })).pipe(
    Effect.filterOrFail((response) => response.ok || response.status === 401),
    Effect.flatMap((response) => Effect.promise(() => response.text())),
    Effect.retry(Schedule.spaced(Duration.millis(25))),
    Effect.orDie,
    Effect.asVoid
  )

/** A port that was free a moment ago. */
const freePort: Effect.Effect<number> = Effect.async((resume) => {
  const server = createServer()
  server.listen(0, "127.0.0.1", () => {
    const { port } = server.address() as AddressInfo
    server.close(() => resume(Effect.succeed(port)))
  })
})

const insecurely: { readonly [command: string]: ReadonlyArray<string> } = {
  copy: ["--src-tls-verify=false", "--dest-tls-verify=false"],
  logout: []
}

/**
 * Runs `skopeo`, against registries that speak plain HTTP and for the platform linux/amd64 wherever it runs, and gives
 * its standard output. It is cut off after two minutes.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import * as NodePeers from "@effect-oci/conformance/NodePeers"
 *
 * const copy = NodePeers.skopeo("copy", "--all", "oci:layout:v1", "docker://127.0.0.1:5000/team/app:v1")
 * ```
 */
export const skopeo = (
  command: "copy" | "delete" | "inspect" | "list-tags" | "login" | "logout",
  ...args: ReadonlyArray<string>
): Effect.Effect<string, PeerFailed | PlatformError, CommandExecutor.CommandExecutor> => {
  const insecure = insecurely[command] ?? ["--tls-verify=false"]
  const platform = ["--override-os", "linux", "--override-arch", "amd64"]
  const all = ["--insecure-policy", "--command-timeout", "2m", ...platform, command, ...insecure, ...args]
  return Effect.scoped(Effect.gen(function*() {
    const running = yield* Command.start(Command.make("skopeo", ...all))
    const [stdout, stderr, exitCode] = yield* Effect.all([
      Stream.mkString(Stream.decodeText(running.stdout)),
      Stream.mkString(Stream.decodeText(running.stderr)),
      running.exitCode
    ], { concurrency: 3 })
    if (exitCode === 0) return stdout
    return yield* new PeerFailed({
      peer: "skopeo",
      args: [command, ...args],
      reason: `exit code ${exitCode}`,
      output: stdout + stderr
    })
  }))
}
