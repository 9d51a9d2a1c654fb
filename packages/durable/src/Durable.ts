/**
 * A registry that keeps its content in a directory: bytes in files, metadata in SQLite. For one process.
 *
 * ```text
 * DIRECTORY/metadata.db   repositories, manifests, tags and upload sessions, with metadata.db-wal and metadata.db-shm
 * DIRECTORY/blobs/        the bytes of blobs
 * DIRECTORY/uploads/      the bytes of upload sessions
 * DIRECTORY/lock.db       the lock of the process that has the directory open
 * ```
 *
 * @since 0.1.0
 */
import type { Registry } from "@effect-oci/core/Registry"
import * as NodeBlobStore from "@effect-oci/store-files/NodeBlobStore"
import * as NodeDurableFile from "@effect-oci/store-files/NodeDurableFile"
import type { SqlBatch } from "@effect-oci/store-sql/SqlBatch"
import * as Sqlite from "@effect-oci/store-sql/Sqlite"
import * as SqlMetadataStore from "@effect-oci/store-sql/SqlMetadataStore"
import type { BlobStore } from "@effect-oci/store/BlobStore"
import type { MetadataStore } from "@effect-oci/store/MetadataStore"
import * as Store from "@effect-oci/store/Store"
import type * as StoreError from "@effect-oci/store/StoreError"
import * as Config from "effect/Config"
import type { ConfigError } from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { join } from "node:path"

/**
 * Options for the two stores in a directory.
 *
 * @since 0.1.0
 * @category models
 */
export interface StoreOptions extends SqlMetadataStore.Options {
  /** The directory. It is created if it does not exist. It must be on a local disk. */
  readonly directory: string
  /**
   * When the bytes of an upload are synced to the disk: before the offset after a chunk is acknowledged, or before the
   * upload becomes a blob. A blob that was acknowledged is always on the disk.
   *
   * @default "chunk"
   */
  readonly sync?: NodeBlobStore.Options["sync"]
  /**
   * How many bytes of the disk must be free: with fewer, a push fails (507), and reads continue.
   *
   * @default 0
   */
  readonly minFree?: number | undefined
}

/**
 * Options for a registry in a directory.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends StoreOptions, Store.Options {}

/**
 * The reasons why a directory cannot be opened. Their messages say what to do.
 *
 * @since 0.1.0
 * @category errors
 */
export type OpenError =
  | NodeDurableFile.FileError
  | Layer.Layer.Error<ReturnType<typeof NodeBlobStore.layer>>
  | Sqlite.OpenFailed
  | SqlMetadataStore.SchemaTooNew
  | StoreError.Failed

/** Creates the directory, and locks it for this process. */
const locked = (directory: string) =>
  Layer.scopedDiscard(Effect.zipRight(NodeDurableFile.createDirectory(directory, 0o700), Sqlite.lock(directory)))

/**
 * Creates a layer of the two stores in a directory, and of the database of the metadata. One process has a directory
 * open; a second one fails.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerStores = (
  { directory, eventsKept, minFree, sync }: StoreOptions
): Layer.Layer<BlobStore | MetadataStore | SqlBatch, OpenError> =>
  Layer.suspend(() => {
    const blobs = NodeBlobStore.layer({ directory, minFree, sync, lock: () => Effect.void })
    const metadata = SqlMetadataStore.layer({ eventsKept }).pipe(
      Layer.provideMerge(Sqlite.layer({ filename: join(directory, "metadata.db") }))
    )
    return Layer.provide(Layer.merge(blobs, metadata), locked(directory))
  })

/**
 * Creates a layer of a registry in a directory, with its two stores. While the layer is in use, it removes expired
 * upload sessions and the bytes that nothing refers to any more.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Registry } from "@effect-oci/core"
 * import { Durable } from "@effect-oci/durable"
 * import { Effect, Stream } from "effect"
 *
 * const repositories = Effect.flatMap(Registry, (registry) => Stream.runCollect(registry.listRepositories())).pipe(
 *   Effect.provide(Durable.layer({ directory: "/var/lib/registry" }))
 * )
 * ```
 */
export const layer = (options: Options): Layer.Layer<Registry | BlobStore | MetadataStore, OpenError> =>
  Layer.provideMerge(Store.layer(options), layerStores(options))

/**
 * Creates a layer of a registry in a directory as {@link layer} does. Its options come from the configuration.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Durable } from "@effect-oci/durable"
 * import { Config } from "effect"
 *
 * const registry = Durable.layerConfig({ directory: Config.string("REGISTRY_DIRECTORY") })
 * ```
 */
export const layerConfig = (
  options: Config.Config.Wrap<Options>
): Layer.Layer<Registry | BlobStore | MetadataStore, OpenError | ConfigError> =>
  Layer.unwrapEffect(Effect.map(Config.unwrap(options), layer))

/**
 * Creates a layer of the two stores in a directory that reads only, also while another process has the directory open.
 * Fails if the directory has no registry.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerReader = (
  { directory }: Pick<StoreOptions, "directory">
): Layer.Layer<BlobStore | MetadataStore, OpenError> => {
  const metadata = SqlMetadataStore.layer().pipe(
    Layer.provide(Sqlite.layerReader({ filename: join(directory, "metadata.db") }))
  )
  const blobs = Layer.suspend(() => NodeBlobStore.layer({ directory, lock: () => Effect.void }))
  return Layer.flatMap(metadata, (context) => Layer.merge(Layer.succeedContext(context), blobs))
}
