/**
 * A registry over HTTP.
 *
 * @since 0.1.0
 */
export * as Transport from "@effect-oci/auth/Transport"
export * as Client from "./Client.js"
export * as AddressGuard from "./transport/AddressGuard.js"
export * as Idle from "./transport/Idle.js"
export * as Pace from "./transport/Pace.js"
export * as Redirect from "./transport/Redirect.js"
export * as Retry from "./transport/Retry.js"
export * as UserAgent from "./transport/UserAgent.js"
export * as Warnings from "./transport/Warnings.js"
export * as WireLog from "./transport/WireLog.js"
