/**
 * @since 0.1.0
 */
export * as Clustered from "./Clustered.js"
