/** The bytes of a manifest: one value of its row, or also parts if the values of a row are limited. */
import * as Answer from "@effect-oci/core/Answer"
import * as Body from "@effect-oci/core/Body"
import type * as StoreError from "@effect-oci/store/StoreError"
import * as Effect from "effect/Effect"
import type { Param, Row } from "../../SqlBatch.js"
import { type Database, repoId, type Template } from "../database.js"

/** Splits the bytes of a manifest. Returns the value of its row, and the statements and values of the other parts. */
export const split = (db: Database, bytes: Uint8Array) => {
  const { maxValueBytes: max } = db
  const templates: Array<Template> = []
  const values: { [name: string]: Param } = {}
  for (let position = 1; position * max < bytes.byteLength; position++) {
    values[`part${position}`] = bytes.slice(position * max, (position + 1) * max)
    templates.push(db.statement(`INSERT INTO manifest_part (repo_id, manifest, position, bytes)
      VALUES (${repoId}, :digest, ${position}, :part${position})
      ON CONFLICT (repo_id, manifest, position) DO NOTHING`))
  }
  return { payload: bytes.byteLength > max ? bytes.slice(0, max) : bytes, templates, values }
}

/** Creates the function that returns all bytes of the manifest of a row with `digest`, `size` and `payload`. */
export const reader = (db: Database) => {
  const find = db.statement(`SELECT bytes FROM manifest_part
    WHERE repo_id = ${repoId} AND manifest = :digest ORDER BY position`)
  return (repository: string, row: Row): Effect.Effect<Uint8Array, StoreError.Failed> => {
    const payload = row["payload"] as Uint8Array
    if (payload.byteLength >= Number(row["size"])) return Answer.succeed(payload)
    return Effect.map(
      db.read(find, { repository, digest: row["digest"] as Uint8Array }),
      (parts) => Body.concatBytes([payload, ...parts.map((part) => part["bytes"] as Uint8Array)])
    )
  }
}
