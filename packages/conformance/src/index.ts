/**
 * A conformance suite for OCI registries, and tools to test programs with registries that fail or attack.
 *
 * @since 0.1.0
 */
export * as BlobStoreSuite from "./BlobStoreSuite.js"
export * as Check from "./Check.js"
export * as Conformance from "./Conformance.js"
export * as EvilRegistry from "./EvilRegistry.js"
export * as Fixtures from "./Fixtures.js"
export * as MetadataStoreSuite from "./MetadataStoreSuite.js"
export * as NodeEvilRegistry from "./NodeEvilRegistry.js"
export * as Report from "./Report.js"
export * as StoreCheck from "./StoreCheck.js"
export * as StoreSuite from "./StoreSuite.js"
export * as Target from "./Target.js"
