/**
 * A `BlobStore` in a directory.
 *
 * - A blob, and the offset of an upload, is acknowledged only after its bytes are on the disk.
 * - A kill of the process or a power failure leaves no partial blob.
 * - One process owns the directory. A second one fails with {@link OpenFailed}.
 * - A full disk fails a push with `Full`. Reads continue.
 *
 * ```text
 * DIRECTORY/uploads/KEY.ID      an upload
 * DIRECTORY/blobs/FIRST/KEY     a blob; FIRST is the least key of its directory
 * DIRECTORY/owner-…             the socket of the process that owns the directory
 * ```
 *
 * Node waits for the disk in a pool of 4 threads. A server with many concurrent pushes raises this number with the
 * environment variable `UV_THREADPOOL_SIZE`, for example to 16.
 *
 * @since 0.1.0
 */
import { BlobStore } from "@effect-oci/store/BlobStore"
import type { BlobKey, Service } from "@effect-oci/store/BlobStore"
import * as StoreError from "@effect-oci/store/StoreError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { join } from "node:path"
import { BlobDirectories } from "./internal/blobDirectories.js"
import { DirectorySyncs } from "./internal/directorySyncs.js"
import * as freeSpace from "./internal/freeSpace.js"
import * as names from "./internal/names.js"
import { failed, Uploads } from "./internal/uploads.js"
import * as NodeDirectoryLock from "./NodeDirectoryLock.js"
import * as files from "./NodeDurableFile.js"
import { NodeFileSystem } from "./NodeFileSystem.js"

/**
 * Options for a blob store in a directory.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The directory. It is created if it does not exist. It must be on a local disk. */
  readonly directory: string
  /**
   * When the bytes of an upload are synced to the disk.
   *
   * - `"chunk"`: before the offset after a chunk is acknowledged. A client can resume after a power failure.
   * - `"commit"`: before the upload becomes a blob. Faster for clients that send many small chunks. A power failure may
   *   end uploads, but no blob.
   * - `"never"`: by the program that uses the store, such as one that moves the files elsewhere. Blobs are not durable.
   *
   * @default "chunk"
   */
  readonly sync?: "chunk" | "commit" | "never" | undefined
  /**
   * How many bytes of the disk must be free: with fewer, a push fails with `Full`, and reads continue. A reserve keeps
   * the database and the log on the same disk from failing.
   *
   * @default 0
   */
  readonly minFree?: number | undefined
  /**
   * Makes this process the owner of the directory until the end of the scope, or fails. Replace it if another lock
   * covers the directory.
   *
   * @default NodeDirectoryLock.acquire
   */
  readonly lock?: ((directory: string) => Effect.Effect<void, NodeDirectoryLock.LockFailed, Scope.Scope>) | undefined
}

/**
 * A blob store in a directory.
 *
 * @since 0.1.0
 * @category models
 */
export interface NodeBlobStore extends Service {
  /** Returns the path of the file of a blob. The blob need not exist. Fails if the key cannot be the name of a file. */
  readonly pathOf: (key: BlobKey) => string
}

/**
 * Opens the blob store in a directory. Fails if the directory cannot be used, or if another process owns it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  { directory, lock = NodeDirectoryLock.acquire, minFree = 0, sync = "chunk" }: Options
): Effect.Effect<NodeBlobStore, files.FileError | NodeDirectoryLock.LockFailed, Scope.Scope> =>
  Effect.gen(function*() {
    const uploadsPath = join(directory, "uploads")
    const syncs = new DirectorySyncs(sync !== "never")
    yield* syncs.create(uploadsPath)
    yield* lock(directory)
    const blobs = yield* BlobDirectories.open(join(directory, "blobs"), syncs)
    const uploads = new Uploads(uploadsPath, blobs, sync)
    const system = yield* NodeFileSystem
    const hasSpace = yield* freeSpace.make(directory, minFree)
    const here = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.provideService(effect, NodeFileSystem, system)
    return {
      granularity: 1,
      put: ({ body, key }) => here(Effect.zipRight(hasSpace, uploads.put(key, body))),
      read: (key, span) => here(read(blobs, key, span)),
      openUpload: ({ id, key }) => here(Effect.zipRight(hasSpace, uploads.open(id, key))),
      append: (append) => here(Effect.zipRight(hasSpace, uploads.append(append))),
      commit: (commit) => here(uploads.commit(commit)),
      abort: (token) => here(uploads.abort(token)),
      delete: (keys) => here(remove(blobs, keys)),
      list: (after, n) => here(Effect.mapError(blobs.list(after, n), failed)),
      listUploads: (after, n) => here(uploads.list(after, n)),
      pathOf: (key) => blobs.pathOf(key)
    }
  })

/**
 * Creates a layer of the blob store in a directory.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Memory, Store } from "@effect-oci/store"
 * import { NodeBlobStore } from "@effect-oci/store-files"
 * import { Layer } from "effect"
 *
 * const registry = Store.layer().pipe(
 *   Layer.provide([NodeBlobStore.layer({ directory: "/var/lib/registry" }), Memory.layerMetadataStore()])
 * )
 * ```
 */
export const layer = (
  options: Options
): Layer.Layer<BlobStore, files.FileError | NodeDirectoryLock.LockFailed> => Layer.scoped(BlobStore, make(options))

/**
 * Reads the file of a blob, as `BlobStore.read` does. For stores that keep blobs in files of their own.
 *
 * @since 0.1.0
 * @category files
 */
export const readFile = (
  path: string,
  ...[key, span]: Parameters<Service["read"]>
): ReturnType<Service["read"]> =>
  Effect.gen(function*() {
    const file = yield* files.open(path)
    if (span !== undefined && span.offset + span.length > file.size) {
      return yield* Effect.fail(new StoreError.RangeInvalid({ key, size: file.size }))
    }
    return yield* file.body(span, (size) => new StoreError.Truncated({ key, size }))
  }).pipe(
    Effect.catchTag("OciFileError", (error) =>
      Effect.fail(error.isMissing ? new StoreError.NotFound({ key }) : failed(error)))
  )

const read = (blobs: BlobDirectories, ...[key, span]: Parameters<Service["read"]>): ReturnType<Service["read"]> =>
  names.isKey(key) ? readFile(blobs.pathOf(key), key, span) : Effect.fail(new StoreError.NotFound({ key }))

/** Removes blobs. The removal is durable, so that the bytes of a forgotten key do not appear again. */
const remove = (blobs: BlobDirectories, keys: ReadonlyArray<BlobKey>): ReturnType<Service["delete"]> =>
  Effect.gen(function*() {
    const known = keys.filter(names.isKey)
    const results = yield* Effect.forEach(known, (key) => Effect.either(files.remove(blobs.pathOf(key))))
    const failures = results.flatMap((result) => result._tag === "Left" ? [result.left] : [])
    const gone = keys.filter((key) => !names.isKey(key) || results[known.indexOf(key)]?._tag === "Right")
    const [failure] = failures
    if (failure !== undefined && gone.length === 0) return yield* Effect.fail(failure)
    yield* blobs.sync(gone)
    return gone
  }).pipe(Effect.mapError(failed))
