/**
 * A codec for the OCI distribution protocol, on plain data.
 *
 * @since 0.1.0
 */
export * as Endpoint from "./Endpoint.js"
export * as ErrorBody from "./ErrorBody.js"
export * as Link from "./Link.js"
export * as Page from "./Page.js"
export * as ProxyNamespace from "./ProxyNamespace.js"
export * as Range from "./Range.js"
export * as Request from "./Request.js"
export * as Response from "./Response.js"
export * as RetryAfter from "./RetryAfter.js"
export * as Route from "./Route.js"
export * as Warning from "./Warning.js"
export * as Wire from "./Wire.js"
