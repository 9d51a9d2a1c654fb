/**
 * A registry in memory, and the two stores that it is made of.
 *
 * @since 0.1.0
 */
import type { Registry } from "@effect-oci/core/Registry"
import * as Layer from "effect/Layer"
import { BlobStore } from "./BlobStore.js"
import * as memoryBlobStore from "./internal/memoryBlobStore.js"
import * as memoryMetadataStore from "./internal/memoryMetadataStore.js"
import { MetadataStore } from "./MetadataStore.js"
import * as Store from "./Store.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface BlobStoreOptions {
  /** How many bytes of blobs and uploads are held at most: no limit unless said. Beyond it: `Denied`. */
  readonly maxBytes?: number | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Options extends Store.Options, BlobStoreOptions {}

/**
 * A store of bytes in memory. Each call is a layer of its own, which begins empty.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerBlobStore = (options?: BlobStoreOptions): Layer.Layer<BlobStore> =>
  Layer.sync(BlobStore, () => memoryBlobStore.make(options?.maxBytes ?? Infinity))

/**
 * A store of facts in memory. Each call is a layer of its own, which begins empty.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMetadataStore = (): Layer.Layer<MetadataStore> => Layer.sync(MetadataStore, memoryMetadataStore.make)

/**
 * A registry in memory. Each call is a layer of its own, which begins empty: two of them in one program share nothing.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Body, Descriptor, Registry, RepositoryName } from "@effect-oci/core"
 * import { Memory } from "@effect-oci/store"
 * import { Effect } from "effect"
 *
 * const bytes = new TextEncoder().encode("hello")
 * const program = Effect.flatMap(Registry, (registry) =>
 *   registry.pushBlob(RepositoryName.make("team/app"), Descriptor.fromBytes(bytes), Body.bytes(bytes))
 * ).pipe(Effect.provide(Memory.layer()))
 * ```
 */
export const layer = (options?: Options): Layer.Layer<Registry> =>
  Layer.provide(Store.layer(options), Layer.merge(layerBlobStore(options), layerMetadataStore()))
