/**
 * @since 0.1.0
 */
export * as SqlBacklog from "./SqlBacklog.js"
export * as SqlBatch from "./SqlBatch.js"
export * as SqlMetadataStore from "./SqlMetadataStore.js"
export * as SqlQuota from "./SqlQuota.js"
export * as SqlRefreshTokens from "./SqlRefreshTokens.js"
export * as SqlRobots from "./SqlRobots.js"
export * as SqlUsage from "./SqlUsage.js"
