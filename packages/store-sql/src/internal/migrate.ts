import type * as StoreError from "@effect-oci/store/StoreError"
import * as Effect from "effect/Effect"
import { asFailed, type Database, type Template } from "./database.js"
import { migrations, versions } from "./schema.js"

/** A statement of the schema contains no parameters: colons in it have another meaning. */
const plain = (sql: string): Template => ({ sql, names: [], guard: false })

/** Applies the migrations that a database does not have. Returns its version, and the newest version that is known. */
export const run = (
  db: Database
): Effect.Effect<{ readonly found: number; readonly supported: number }, StoreError.Failed> =>
  Effect.gen(function*() {
    const all = migrations(db.dialect)
    const current = db.statement(`SELECT COALESCE(MAX(version), 0) AS version FROM migration`)
    const applied = db.guard(`SELECT 'Applied' AS refusal, NULL AS value FROM migration WHERE version >= :version`)
    if (db.isReadOnly) {
      const [row] = yield* db.read(current, {})
      return { found: Number(row!["version"]), supported: all.length }
    }
    const record = db.statement(`INSERT INTO migration (version, applied_at) VALUES (:version, :now)`)
    const [, rows] = yield* db.run([plain(versions(db.dialect)), current], {}, {})
    const found = Number(rows![0]!["version"])
    for (let version = found + 1; version <= all.length; version++) {
      const statements = all[version - 1]!.map(plain)
      // Another process may have applied the migration in the meantime.
      yield* Effect.catchAll(
        db.run([applied, ...statements, record], { version }, { Applied: () => "Applied" as const }),
        (error) => error === "Applied" ? Effect.void : Effect.fail(error)
      )
    }
    return { found, supported: all.length }
  }).pipe(asFailed)
