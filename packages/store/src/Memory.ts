/**
 * A registry in memory, and its two stores.
 *
 * @since 0.1.0
 */
import { Registry } from "@effect-oci/core/Registry"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { BlobStore } from "./BlobStore.js"
import * as memoryBlobStore from "./internal/memoryBlobStore.js"
import * as memoryMetadataStore from "./internal/memoryMetadataStore.js"
import * as room from "./internal/room.js"
import { MetadataStore } from "./MetadataStore.js"
import * as Store from "./Store.js"

/**
 * Options for one of the two stores in memory.
 *
 * @since 0.1.0
 * @category models
 */
export interface StoreOptions {
  /**
   * The maximum number of bytes that the store contains. A push beyond this limit fails with `Denied`. Default: no
   * limit.
   */
  readonly maxBytes?: number | undefined
}

/**
 * Options for a registry in memory.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends Store.Options {
  /**
   * The maximum number of bytes of blobs, upload sessions and manifests together. A push beyond this limit fails with
   * `Denied`. Default: no limit.
   */
  readonly maxBytes?: number | undefined
}

const roomOf = (options: StoreOptions | undefined) => room.make(options?.maxBytes ?? Infinity)

/**
 * Creates a layer of a `BlobStore` in memory. `maxBytes` counts blobs and upload sessions. Each call creates a new,
 * empty store.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerBlobStore = (options?: StoreOptions): Layer.Layer<BlobStore> =>
  Layer.sync(BlobStore, () => memoryBlobStore.make(roomOf(options)))

/**
 * Creates a layer of a `MetadataStore` in memory. `maxBytes` counts manifests. Each call creates a new, empty
 * store.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMetadataStore = (options?: StoreOptions): Layer.Layer<MetadataStore> =>
  Layer.effect(MetadataStore, Effect.map(Effect.clock, (clock) => memoryMetadataStore.make(roomOf(options), clock)))

const layerStores = (options: StoreOptions | undefined): Layer.Layer<BlobStore | MetadataStore> =>
  Layer.effectContext(Effect.map(Effect.clock, (clock) => {
    const shared = roomOf(options)
    return Context.make(BlobStore, memoryBlobStore.make(shared)).pipe(
      Context.add(MetadataStore, memoryMetadataStore.make(shared, clock))
    )
  }))

/**
 * Creates a new, empty registry in memory. Its collector runs until the scope closes.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Body, Descriptor, RepositoryName } from "@effect-oci/core"
 * import { Memory } from "@effect-oci/store"
 * import { Effect } from "effect"
 *
 * const body = Body.hashed(new TextEncoder().encode("hello"))
 * const program = Effect.gen(function*() {
 *   const registry = yield* Memory.make()
 *   return yield* registry.pushBlob(RepositoryName.make("team/app"), Descriptor.fromBody(body), body)
 * }).pipe(Effect.scoped)
 * ```
 */
export const make = (options?: Options): Effect.Effect<Registry.Service, never, Scope.Scope> =>
  Effect.provide(Store.make(options), layerStores(options))

/**
 * Creates a layer of a registry in memory. Each call creates a new, empty registry: two layers in one program share
 * nothing.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Body, Descriptor, Registry, RepositoryName } from "@effect-oci/core"
 * import { Memory } from "@effect-oci/store"
 * import { Effect } from "effect"
 *
 * const body = Body.hashed(new TextEncoder().encode("hello"))
 * const program = Effect.flatMap(Registry, (registry) =>
 *   registry.pushBlob(RepositoryName.make("team/app"), Descriptor.fromBody(body), body)
 * ).pipe(Effect.provide(Memory.layer()))
 * ```
 */
export const layer = (options?: Options): Layer.Layer<Registry> => Layer.scoped(Registry, make(options))
