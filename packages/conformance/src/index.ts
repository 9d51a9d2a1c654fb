/**
 * What every OCI registry must do, and what tests of one need.
 *
 * @since 0.1.0
 */
export * as Arbitraries from "./Arbitraries.js"
