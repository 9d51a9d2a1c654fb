/**
 * Copies whole artifacts between registries.
 *
 * @since 0.1.0
 */
export * as Artifact from "./Artifact.js"
export * as Copy from "./Copy.js"
export * as DistributionSource from "./DistributionSource.js"
export * as DockerTar from "./DockerTar.js"
export * as Graph from "./Graph.js"
export * as LayoutImages from "./LayoutImages.js"
export * as LayoutTar from "./LayoutTar.js"
export * as OciLayout from "./OciLayout.js"
export * as Progress from "./Progress.js"
export * as Transform from "./Transform.js"
