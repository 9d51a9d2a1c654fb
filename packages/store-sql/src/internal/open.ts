import * as StoreError from "@effect-oci/store/StoreError"
import * as Effect from "effect/Effect"
import { SqlBatch } from "../SqlBatch.js"
import { Database } from "./database.js"
import * as migrate from "./migrate.js"
import * as schema from "./schema.js"
import type { Migration } from "./schema.js"
import { SchemaTooNew } from "./schemaVersion.js"

/** The schema of a database that is opened for reading only is not upgraded. */
const tooOld = (found: number, supported: number) =>
  `the schema of the metadata store has version ${found}, not ${supported}; start the registry once, which upgrades it`

/** Opens a database, and creates or upgrades its tables by migrations. */
export const openWith = (
  migrationsOf: (dialect: Database["dialect"]) => ReadonlyArray<Migration>
): Effect.Effect<Database, SchemaTooNew | StoreError.Failed, SqlBatch> =>
  Effect.gen(function*() {
    const batch = yield* SqlBatch
    const db = new Database(batch)
    const migrations = migrationsOf(db.dialect)
    const supported = migrations.length
    if (batch.migrated === true) return db.fenced(supported)
    const { found, isCompatible } = yield* migrate.run(db, migrations)
    if (!isCompatible) return yield* new SchemaTooNew({ found, supported })
    if (db.isReadOnly && found < supported) {
      return yield* new StoreError.Failed({ cause: new Error(tooOld(found, supported)) })
    }
    return db.fenced(supported)
  })

/** Opens a database, and creates or upgrades its tables. */
export const open = openWith(schema.migrations)
