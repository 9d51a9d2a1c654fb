/**
 * Credential helpers in Node, Bun and Deno.
 *
 * @since 0.1.0
 */
import { CredentialError } from "@effect-oci/core/RegistryError"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { spawn } from "node:child_process"
import type { ChildProcess } from "node:child_process"
import * as CredentialHelper from "./CredentialHelper.js"
import * as Credentials from "./Credentials.js"

const isWindows = process.platform === "win32"

/** Kills a process and all that it has started, which are one group where there are groups. */
const killGroup = (child: ChildProcess) => {
  try {
    if (isWindows || child.pid === undefined) child.kill("SIGKILL")
    else process.kill(-child.pid, "SIGKILL")
  } catch {
    // The whole group has ended.
  }
}

/**
 * Runs programs as processes, without a shell. Standard error is not read: some helpers write secrets there. A process
 * that writes too much, or whose caller is interrupted, is killed together with all processes that it has started.
 *
 * @since 0.1.0
 * @category constructors
 */
export const helperRunner: CredentialHelper.Runner = {
  run: ({ args, input, maxBytes, program }) =>
    Effect.async((resume) => {
      const fail = (reason: string) => resume(new CredentialError({ reason: `${program} ${reason}` }))
      const child = spawn(program, args, { stdio: ["pipe", "pipe", "ignore"], windowsHide: true, detached: !isWindows })
      const kill = () => {
        killGroup(child)
        // A process that has left the group may hold the pipe open.
        child.stdout.destroy()
      }
      const pieces: Array<Buffer> = []
      let size = 0
      child.on("error", (error: NodeJS.ErrnoException) =>
        fail(error.code === "ENOENT" ? "is not installed, or not in PATH" : `cannot be run: ${error.code}`))
      child.on("close", (exitCode) =>
        resume(Effect.succeed({ exitCode: exitCode ?? -1, output: Buffer.concat(pieces).toString() })))
      child.stdout.on("data", (piece: Buffer) => {
        size += piece.byteLength
        if (size <= maxBytes) {
          return void pieces.push(piece)
        }
        kill()
        fail(`wrote more than ${maxBytes} bytes`)
      })
      // The exit code tells about a helper that ends before it has read its input.
      child.stdin.on("error", () => {})
      child.stdin.end(input)
      return Effect.sync(kill)
    })
}

/**
 * @since 0.1.0
 * @category layers
 */
export const layerHelperRunner: Layer.Layer<CredentialHelper.HelperRunner> = Layer.succeed(
  CredentialHelper.HelperRunner,
  helperRunner
)

/**
 * The credentials that `docker login`, `podman login` and their helpers keep: `Credentials.layerDockerConfig`, which can
 * run helpers.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import * as NodeCredentials from "@effect-oci/auth/NodeCredentials"
 * import { Client } from "@effect-oci/client"
 * import * as NodeClient from "@effect-oci/client/NodeClient"
 * import { NodeFileSystem } from "@effect/platform-node"
 * import { Layer } from "effect"
 *
 * // `NodeClient.layer` is the same in one step.
 * const registry = Client.layer({ host: "ghcr.io" }).pipe(
 *   Layer.provide(NodeCredentials.layerDockerConfig()),
 *   Layer.provide([NodeClient.layerHttp(), NodeFileSystem.layer])
 * )
 * ```
 */
export const layerDockerConfig = (
  options?: Credentials.DockerConfigOptions
): Layer.Layer<Credentials.Credentials, never, FileSystem.FileSystem> =>
  Layer.provide(Credentials.layerDockerConfig(options), layerHelperRunner)
