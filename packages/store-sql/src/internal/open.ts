import * as StoreError from "@effect-oci/store/StoreError"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { SqlBatch } from "../SqlBatch.js"
import { Database } from "./database.js"
import * as migrate from "./migrate.js"

/**
 * The database has a newer schema than this version of the library knows, and the newer version does not allow this one
 * to use the database.
 *
 * @since 0.1.0
 * @category errors
 */
export class SchemaTooNew extends Data.TaggedError("OciSchemaTooNew")<{
  readonly found: number
  readonly supported: number
}> {
  override get message() {
    return `cannot open the metadata store: its schema has version ${this.found}, and this program knows versions up to ` +
      `${this.supported}; run the newer version of the program, or restore a backup from before its upgrade`
  }
}

/** The schema of a database that is opened for reading only is not upgraded. */
const tooOld = (found: number, supported: number) =>
  `the schema of the metadata store has version ${found}, not ${supported}; start the registry once, which upgrades it`

/** Opens a database, and creates or upgrades its tables. */
export const open: Effect.Effect<Database, SchemaTooNew | StoreError.Failed, SqlBatch> = Effect.gen(function*() {
  const batch = yield* SqlBatch
  const db = new Database(batch)
  if (batch.migrated === true) return db
  const { found, isCompatible, supported } = yield* migrate.run(db)
  if (!isCompatible) return yield* new SchemaTooNew({ found, supported })
  if (db.isReadOnly && found < supported) {
    return yield* new StoreError.Failed({ cause: new Error(tooOld(found, supported)) })
  }
  return db
})
