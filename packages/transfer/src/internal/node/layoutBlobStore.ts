import { Digest } from "@effect-oci/core"
import * as NodeBlobStore from "@effect-oci/store-files/NodeBlobStore"
import * as files from "@effect-oci/store-files/NodeDurableFile"
import * as BlobStore from "@effect-oci/store/BlobStore"
import * as StoreError from "@effect-oci/store/StoreError"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { readdir, rm, stat } from "node:fs/promises"
import { join } from "node:path"
import * as layout from "./layoutIndex.js"
import * as owner from "./owner.js"
import type { Placing } from "./placing.js"

/** Returns the key of a blob of the layout. Its bytes are stored under its digest. */
export const keyOf = (digest: Digest.Digest): BlobStore.BlobKey => BlobStore.BlobKey(digest.replace(":", "-"))

/** Returns the digest of a key, or `undefined` for the key of received bytes. Only known algorithms count as digests. */
const digestOf = (key: BlobStore.BlobKey): Digest.Digest | undefined => {
  const text = key.replace("-", ":")
  return Digest.is(text) && Digest.isSupported(text) ? text : undefined
}

/** How long files of other machines are kept, in milliseconds: their processes may still be running. */
const day = 24 * 60 * 60 * 1000

/** Removes files that were last written before a time, also from the folders below. The folders remain. */
const removeOld = async (path: string, before: number): Promise<void> => {
  const found = await stat(path)
  if (found.isDirectory()) {
    for (const name of await readdir(path)) await removeOld(join(path, name), before)
  } else if (found.mtimeMs < before) {
    await rm(path, { force: true })
  }
}

/**
 * Removes what killed processes left in `ingest`: the files of processes of this machine that have ended, and files of
 * other machines that have not changed for a day. Errors are ignored.
 */
export const sweep = (path: string): Effect.Effect<void> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) =>
    files.attempt("remove", layout.ingestPath(path), async () => {
      for (const name of await readdir(layout.ingestPath(path))) {
        const entry = join(layout.ingestPath(path), name)
        const isAbandoned = owner.isAbandoned(name)
        if (isAbandoned === true) await rm(entry, { recursive: true, force: true })
        if (isAbandoned === undefined) await removeOld(entry, now - day)
      }
    })).pipe(Effect.ignore)

const failed = (cause: unknown) => new StoreError.Failed({ cause })

/** The blob store of a layout. */
export interface LayoutBlobs {
  readonly service: BlobStore.Service
  /** Returns the path of received bytes that are complete, but whose digest is not yet in the metadata. */
  readonly receivedPath: (key: BlobStore.BlobKey) => Effect.Effect<string, StoreError.Failed>
  /** Moves received bytes to their digest. */
  readonly placing: Placing
}

/**
 * Creates the blob store of a layout. Bytes are received in a blob store of this process in `ingest`, which is opened when
 * it is needed, and removed at the end of the scope. It does not sync them: they are synced when they move to their digest.
 * Blobs are read from there.
 */
export const make = (path: string, placing: Placing): Effect.Effect<LayoutBlobs, never, Scope.Scope> =>
  Effect.gen(function*() {
    const scope = yield* Effect.scope
    const directory = join(layout.ingestPath(path), `store-${crypto.randomUUID()}${owner.suffix()}`)
    const opening = Effect.unsafeMakeSemaphore(1)
    let opened: NodeBlobStore.NodeBlobStore | undefined
    const open = NodeBlobStore.make({ directory, lock: () => Effect.void, sync: "never" }).pipe(
      Scope.extend(scope),
      Effect.mapBoth({
        onFailure: failed,
        onSuccess: (store) => {
          opened = store
          return store
        }
      })
    )
    const received = Effect.suspend(() => opened === undefined ? open : Effect.succeed(opened)).pipe(
      opening.withPermits(1)
    )
    yield* Effect.addFinalizer(() =>
      Effect.zipRight(
        Effect.ignore(placing.synced),
        Effect.ignore(files.removeDirectory(directory))
      )
    )
    return {
      placing,
      service: service(path, received, () => opened),
      receivedPath: (key) => Effect.map(received, (store) => store.pathOf(key))
    }
  })

const service = (
  path: string,
  received: Effect.Effect<BlobStore.Service, StoreError.Failed>,
  ifOpen: () => BlobStore.Service | undefined
): BlobStore.Service => ({
  granularity: 1,
  put: (put) => Effect.flatMap(received, (store) => store.put(put)),
  read: (key, span) => {
    const digest = digestOf(key)
    return digest === undefined
      ? Effect.flatMap(received, (store) => store.read(key, span))
      : NodeBlobStore.readFile(layout.blobPath(path, digest), key, span)
  },
  openUpload: (upload) => Effect.flatMap(received, (store) => store.openUpload(upload)),
  append: (append) => Effect.flatMap(received, (store) => store.append(append)),
  commit: (commit) => Effect.flatMap(received, (store) => store.commit(commit)),
  abort: (token) => Effect.suspend(() => ifOpen()?.abort(token) ?? Effect.void),
  // The blobs of the layout are not bytes that a crash left behind: they are neither listed nor deleted here.
  delete: (keys) => Effect.suspend(() => ifOpen()?.delete(keys) ?? Effect.succeed(keys)),
  list: (after, n) => Effect.suspend(() => ifOpen()?.list(after, n) ?? Effect.succeed([])),
  listUploads: (after, n) => Effect.suspend(() => ifOpen()?.listUploads(after, n) ?? Effect.succeed([]))
})
