/**
 * Finds the registries of references: hosts, mirrors and platforms.
 *
 * @since 0.1.0
 */
export * as HostConfig from "./HostConfig.js"
export * as HostsToml from "./HostsToml.js"
export * as Namespace from "./Namespace.js"
export * as Platform from "./Platform.js"
export * as Resolver from "./Resolver.js"
