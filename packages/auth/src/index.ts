/**
 * Authentication: who asks a registry, and what it may do there.
 *
 * @since 0.1.0
 */
export * as Transport from "./Transport.js"
