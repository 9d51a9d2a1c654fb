import { Digest } from "@effect-oci/core"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import { randomFillSync } from "node:crypto"
import { join } from "node:path"
import type * as ClientProgram from "../programs/client.js"
import type { Transfer } from "../programs/client.js"
import * as Program from "./program.js"

const MiB = 1024 * 1024

/** A blob in a file. */
export interface Blob {
  readonly file: string
  readonly digest: string
  readonly size: number
}

/** Files to transfer. */
export interface Content {
  /** A small blob that is transferred to warm a process up. */
  readonly small: Blob
  readonly large: Blob
  /** The file into which blobs are pulled. */
  readonly out: string
}

const makeBlob = (folder: string, size: number) =>
  Effect.gen(function*() {
    const files = yield* FileSystem.FileSystem
    const bytes = randomFillSync(new Uint8Array(size))
    const file = join(folder, `${size}`)
    yield* files.writeFile(file, bytes)
    return { file, digest: Digest.fromBytes(bytes), size }
  })

/** Creates the files in a temporary folder. */
export const makeContent = Effect.gen(function*() {
  const files = yield* FileSystem.FileSystem
  const folder = yield* files.makeTempDirectoryScoped({ prefix: "bench-" })
  const [small, large] = [yield* makeBlob(folder, 8 * MiB), yield* makeBlob(folder, 256 * MiB)]
  const content: Content = { small, large, out: join(folder, "out") }
  return content
})

/** A client to measure: the name of its program, and the environment of its process. */
export interface Contender {
  readonly program: string
  readonly env?: { readonly [name: string]: string }
}

/** Our client. */
export const ours: Contender = { program: "client" }

/**
 * Measures a transfer of the large blob by a client, in its own process. The client transfers the small blob once, and
 * then the large blob twice. The time of the second transfer counts, because during the first one the process compiles
 * code and the system provides memory. The maximum memory of both transfers counts.
 */
export const transferred = <E>(
  { env, program }: Contender,
  name: keyof ClientProgram.Questions,
  small: Transfer,
  large: Transfer,
  clear: Effect.Effect<void, E>
) =>
  Effect.scoped(Effect.gen(function*() {
    const client = yield* Program.start<ClientProgram.Questions>(program, env)
    yield* client.ask(name, small)
    const before = yield* client.usage
    yield* clear
    yield* client.ask(name, large)
    const between = yield* client.usage
    yield* clear
    const seconds = yield* client.ask(name, large)
    const after = yield* client.usage
    return {
      seconds,
      cpu: (after.cpu - between.cpu) / 1e6,
      memory: (Math.max(between.peak, after.peak) - before.rss) / MiB
    }
  }))
