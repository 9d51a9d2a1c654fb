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

/** Kills a process and all processes that it started. They form a process group, except on Windows. */
const killGroup = (child: ChildProcess) => {
  try {
    if (isWindows || child.pid === undefined) child.kill("SIGKILL")
    else process.kill(-child.pid, "SIGKILL")
  } catch {
    // The whole group has ended.
  }
}

/**
 * Runs programs as processes, without a shell. The runner ignores standard error, because some helpers write secrets
 * there. If a process writes more than `maxBytes`, or its caller is interrupted, the runner kills it together with all
 * processes that it started.
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
        // A process that left the group may keep the pipe open.
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
      // A helper may end before it reads its input. Its exit code then reports the failure.
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
 * `NodeClient.layer` does the same in one step.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import * as NodeCredentials from "@effect-oci/auth/NodeCredentials"
 * import { Client } from "@effect-oci/client"
 * import * as NodeHttp from "@effect-oci/transport/NodeHttp"
 * import { NodeFileSystem } from "@effect/platform-node"
 * import { Layer } from "effect"
 *
 * // `NodeClient.layer` is the same in one step.
 * const registry = Client.layer({ host: "ghcr.io" }).pipe(
 *   Layer.provide(NodeCredentials.layerDockerConfig()),
 *   Layer.provide([NodeHttp.layer(), NodeFileSystem.layer])
 * )
 * ```
 */
export const layerDockerConfig = (
  options?: Credentials.DockerConfigOptions
): Layer.Layer<Credentials.Credentials, never, FileSystem.FileSystem> =>
  Layer.provide(Credentials.layerDockerConfig(options), layerHelperRunner)
