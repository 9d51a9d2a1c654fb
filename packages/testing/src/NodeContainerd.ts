/**
 * containerd, with its client `ctr`: a daemon of its own, with its own folders and socket, which touches nothing of the
 * system's daemon. It needs root.
 *
 * @since 0.1.0
 */
import type * as CommandExecutor from "@effect/platform/CommandExecutor"
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { join } from "node:path"
import * as NodeChild from "./NodeChild.js"
import * as NodePeers from "./NodePeers.js"

/**
 * A running containerd.
 *
 * @since 0.1.0
 * @category models
 */
export interface Containerd {
  /** Runs `ctr` to its end, and returns its standard output. */
  readonly ctr: (
    ...args: ReadonlyArray<string>
  ) => Effect.Effect<string, NodePeers.PeerFailed | PlatformError, CommandExecutor.CommandExecutor>
}

/**
 * Returns whether containerd is installed and may run. If not, the function prints why, so that a suite can be left out.
 *
 * @since 0.1.0
 * @category getters
 */
export const isAvailable = (): boolean => {
  if (!NodePeers.have("containerd", "ctr")) return false
  if (process.getuid?.() === 0) return true
  process.stderr.write("Left out, because containerd needs root\n")
  return false
}

const config = (folder: string) => `
version = 2
root = ${JSON.stringify(join(folder, "root"))}
state = ${JSON.stringify(join(folder, "state"))}
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
[grpc]
  address = ${JSON.stringify(join(folder, "socket"))}
[ttrpc]
  address = ${JSON.stringify(join(folder, "socket.ttrpc"))}
`

/**
 * Starts containerd in a temporary folder, and returns when it answers. It stops when the scope closes.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<
  Containerd,
  NodePeers.PeerFailed | PlatformError,
  CommandExecutor.CommandExecutor | FileSystem.FileSystem | Scope.Scope
> = Effect.gen(function*() {
  const files = yield* FileSystem.FileSystem
  const folder = yield* files.makeTempDirectoryScoped({ prefix: "containerd-" })
  const file = join(folder, "config.toml")
  yield* files.writeFileString(file, config(folder))
  yield* NodeChild.start("containerd", ["--config", file])
  const ctr: Containerd["ctr"] = (...args) => NodePeers.run("ctr", ["--address", join(folder, "socket"), ...args])
  yield* Effect.retry(ctr("version"), Schedule.intersect(Schedule.spaced("50 millis"), Schedule.recurs(200)))
  return { ctr }
})
