/**
 * Serves any registry over HTTP.
 *
 * @since 0.1.0
 */
export * as Prometheus from "./Prometheus.js"
export * as Quirks from "./Quirks.js"
export * as RegistryServer from "./RegistryServer.js"
