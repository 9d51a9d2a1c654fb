/**
 * A registry over HTTP.
 *
 * @since 0.1.0
 */
export * as Transport from "@effect-oci/auth/Transport"
export * as Client from "./Client.js"
export * as Idle from "./transport/Idle.js"
export * as Redirect from "./transport/Redirect.js"
export * as UserAgent from "./transport/UserAgent.js"
export * as Warnings from "./transport/Warnings.js"
