/**
 * @since 0.1.0
 */
export * as Health from "./Health.js"
export * as Settings from "./Settings.js"
