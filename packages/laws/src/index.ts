/**
 * Property tests for wrappers of OCI registries, models of the wrappers of this project, and fault injection.
 *
 * @since 0.1.0
 */
export * as ExplainLaws from "./ExplainLaws.js"
export * as Faulty from "./Faulty.js"
export * as Law from "./Law.js"
export * as Laws from "./Laws.js"
export * as SampleWorld from "./SampleWorld.js"
export * as Wrappers from "./Wrappers.js"
