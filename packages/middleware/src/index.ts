/**
 * Wrappers of a registry. Each wrapper is a module with the same three exports: `middleware`, `layer` and `wrap`.
 *
 * @since 0.1.0
 */
export * as AsCaller from "./AsCaller.js"
export * as Authorize from "./Authorize.js"
export * as Cache from "./Cache.js"
export * as Filter from "./Filter.js"
export * as Gate from "./Gate.js"
export * as Immutable from "./Immutable.js"
export * as Limit from "./Limit.js"
export * as Logging from "./Logging.js"
export * as Matured from "./Matured.js"
export * as Metrics from "./Metrics.js"
export * as Quota from "./Quota.js"
export * as QuotaLedger from "./QuotaLedger.js"
export * as ReadOnly from "./ReadOnly.js"
export type * as RegistrySource from "./RegistrySource.js"
export * as Retry from "./Retry.js"
export * as Route from "./Route.js"
export * as Sub from "./Sub.js"
export * as Tracing from "./Tracing.js"
export * as Under from "./Under.js"
export * as Union from "./Union.js"
