import { Digest } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import { randomFillSync } from "node:crypto"
import { open } from "node:fs/promises"
import { join } from "node:path"

const MiB = 1024 * 1024

/** Writes a file of random content into a directory. Returns what a transfer needs. */
export const makeBlob = (path: string, repository: string, mebibytes: number) =>
  Effect.promise(async () => {
    const file = join(path, `${mebibytes}`)
    const hasher = Digest.hasher("sha256")
    const output = await open(file, "w")
    for (let written = 0; written < mebibytes; written += 16) {
      const piece = randomFillSync(new Uint8Array(16 * MiB))
      hasher.update(piece)
      await output.write(piece)
    }
    await output.close()
    return { file, repository, digest: hasher.digest() }
  })
