/**
 * Arbitraries for property tests: all input and output of a registry. Each optional field is sometimes present and
 * sometimes absent. The arbitraries also generate values that are valid but rare.
 *
 * @since 0.1.0
 */
export * from "./arbitraries/content.js"
export * from "./arbitraries/errors.js"
export * from "./arbitraries/names.js"
export * from "./arbitraries/operations.js"
