/**
 * The checks that every `MetadataStore` must pass.
 *
 * @since 0.1.0
 */
import type { MetadataStore } from "@effect-oci/store/MetadataStore"
import { metadataCollector } from "./internal/stores/metadataCollector.js"
import { metadataContent } from "./internal/stores/metadataContent.js"
import { metadataUploads } from "./internal/stores/metadataUploads.js"
import type { StoreCheck } from "./StoreCheck.js"

/**
 * Contains all checks of a `MetadataStore`.
 *
 * @since 0.1.0
 * @category checks
 * @example
 * ```ts
 * import { MetadataStoreSuite } from "@effect-oci/conformance"
 * import { Memory } from "@effect-oci/store"
 * import { it } from "@effect/vitest"
 * import { Effect } from "effect"
 *
 * for (const { name, run } of MetadataStoreSuite.all) {
 *   it.effect(name, () => run({ make: Effect.succeed(Memory.layerMetadataStore()) }))
 * }
 * ```
 */
export const all: ReadonlyArray<StoreCheck<MetadataStore>> = [
  ...metadataContent,
  ...metadataUploads,
  ...metadataCollector
]
