/**
 * Recordings of registries: writes operations and their results to a file, responds from that file, and compares two
 * registries.
 *
 * @since 0.1.0
 */
export * as Record from "./Record.js"
export * as Recording from "./Recording.js"
export * as Replay from "./Replay.js"
export * as Shadow from "./Shadow.js"
