/**
 * The checks that every `BlobStore` must pass.
 *
 * @since 0.1.0
 */
import type { BlobStore } from "@effect-oci/store/BlobStore"
import { blobBytes } from "./internal/stores/blobBytes.js"
import { blobUploads } from "./internal/stores/blobUploads.js"
import type { StoreCheck } from "./StoreCheck.js"

/**
 * Contains all checks of a `BlobStore`.
 *
 * @since 0.1.0
 * @category checks
 * @example
 * ```ts
 * import { BlobStoreSuite } from "@effect-oci/conformance"
 * import { Memory } from "@effect-oci/store"
 * import { it } from "@effect/vitest"
 * import { Effect } from "effect"
 *
 * for (const { name, run } of BlobStoreSuite.all) {
 *   it.effect(name, () => run({ make: Effect.succeed(Memory.layerBlobStore()) }))
 * }
 * ```
 */
export const all: ReadonlyArray<StoreCheck<BlobStore>> = [...blobBytes, ...blobUploads]
