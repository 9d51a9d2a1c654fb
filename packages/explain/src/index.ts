/**
 * What a program asks of OCI registries, before it asks: the requests, their scopes and the origin of the credentials.
 *
 * @since 0.1.0
 */
export * as Enforce from "./Enforce.js"
export * as Explain from "./Explain.js"
export * as Explanation from "./Explanation.js"
