/**
 * Serves the explorer: a web page that shows the content of any registry.
 *
 * @since 0.1.0
 */
export * as Explorer from "./Explorer.js"
