/**
 * A command for the directory of a registry.
 *
 * @since 0.1.0
 */
export * as NodeStoreCli from "./NodeStoreCli.js"
