/**
 * @since 0.1.0
 */
export * as Backup from "./Backup.js"
export * as Durable from "./Durable.js"
