/**
 * The checks that every pair of a `BlobStore` and a `MetadataStore` must pass: the pair is the store of a registry that
 * keeps its promises after crashes and restarts, and while the collector runs.
 *
 * @since 0.1.0
 */
import type { BlobStore } from "@effect-oci/store/BlobStore"
import type { MetadataStore } from "@effect-oci/store/MetadataStore"
import { storePair } from "./internal/stores/storePair.js"
import type { StoreCheck } from "./StoreCheck.js"

/**
 * Contains all checks of a pair of stores.
 *
 * @since 0.1.0
 * @category checks
 * @example
 * ```ts
 * import { StoreSuite } from "@effect-oci/conformance"
 * import { Memory } from "@effect-oci/store"
 * import { it } from "@effect/vitest"
 * import { Effect, Layer } from "effect"
 *
 * const make = Effect.sync(() => Layer.merge(Memory.layerBlobStore(), Memory.layerMetadataStore()))
 * for (const { name, run } of StoreSuite.all) it.effect(name, () => run({ make }))
 * ```
 */
export const all: ReadonlyArray<StoreCheck<BlobStore | MetadataStore>> = storePair
