/**
 * Registries that keep what they have: their semantics, the two services they keep it in, and both in memory.
 *
 * @since 0.1.0
 */
export * as BlobStore from "./BlobStore.js"
export * as Memory from "./Memory.js"
export * as MetadataStore from "./MetadataStore.js"
export * as Store from "./Store.js"
