/**
 * Measures transfers beside other clients: blobs beside curl and clients from npm, copies of whole images beside crane,
 * oras, regctl and skopeo.
 */
import * as Effect from "effect/Effect"
import * as blobs from "./blobs.js"
import * as clients from "./clients.js"
import * as commands from "./commands.js"
import * as copies from "./copies.js"
import type { Row } from "./internal/measure.js"
import * as many from "./many.js"
import * as served from "./served.js"

export const run: Effect.Effect<ReadonlyArray<Row>, unknown> = Effect.map(
  Effect.all([blobs.run, served.run, clients.run, commands.run, many.run, copies.run]),
  (rows) => rows.flat()
)
