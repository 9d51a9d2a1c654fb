import { Body } from "@effect-oci/core"
import { NodeBlobStore } from "@effect-oci/store-files"
import { BlobKey } from "@effect-oci/store/BlobStore"
import * as Effect from "effect/Effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** Creates a directory that is removed at the end of the scope. */
export const temporary = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "store-files-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** Opens a blob store whose lock is not under test. */
export const unlocked = (directory: string, options: Partial<NodeBlobStore.Options> = {}) =>
  NodeBlobStore.make({ directory, lock: () => Effect.void, ...options })

/** Returns a key of version 7 with this time, in milliseconds since 1970. */
export const keyAt = (time: number): BlobKey => {
  const digits = time.toString(16).padStart(12, "0")
  const random = crypto.randomUUID().slice(14)
  return BlobKey(`${digits.slice(0, 8)}-${digits.slice(8)}-7${random.slice(1)}`)
}

let time = 1_700_000_000_000

/** Returns the next key. */
export const nextKey = (): BlobKey => keyAt(++time)

export const text = (content: string): Uint8Array => new TextEncoder().encode(content)

/** Reads a blob. */
export const bytesOf = (store: NodeBlobStore.NodeBlobStore, key: BlobKey) =>
  Effect.scoped(
    Effect.flatMap(store.read(key), (body) => Body.toBytes(body, { limit: 1e9, onLimit: () => new Error("too large") }))
  )

export const contentOf = (store: NodeBlobStore.NodeBlobStore, key: BlobKey) =>
  Effect.map(bytesOf(store, key), (bytes) => new TextDecoder().decode(bytes))
