/**
 * From references to registries: hosts, mirrors and platforms.
 *
 * @since 0.1.0
 */
export * as Platform from "./Platform.js"
