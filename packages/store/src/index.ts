/**
 * A registry over two stores: the semantics of a registry, the services `BlobStore` and `MetadataStore`, and both in
 * memory.
 *
 * @since 0.1.0
 */
export * as BlobStore from "./BlobStore.js"
export * as Collector from "./Collector.js"
export * as Memory from "./Memory.js"
export * as MetadataStore from "./MetadataStore.js"
export * as Pages from "./Pages.js"
export * as Retention from "./Retention.js"
export * as Scrub from "./Scrub.js"
export * as Store from "./Store.js"
export * as StoreError from "./StoreError.js"
export * as Usage from "./Usage.js"
