/**
 * Copies whole artifacts between registries.
 *
 * @since 0.1.0
 */
export * as Copy from "./Copy.js"
export * as DistributionSource from "./DistributionSource.js"
export * as Graph from "./Graph.js"
export * as Progress from "./Progress.js"
export * as Transform from "./Transform.js"
