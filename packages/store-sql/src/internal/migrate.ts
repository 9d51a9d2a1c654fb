import type * as StoreError from "@effect-oci/store/StoreError"
import * as Effect from "effect/Effect"
import { asFailed, type Database, type Template } from "./database.js"
import { type Migration, versions } from "./schema.js"
import * as schemaVersion from "./schemaVersion.js"

/** A statement of the schema contains no parameters: colons in it have another meaning. */
const plain = (sql: string): Template => ({ sql, names: [], guard: false })

/** The key of the lock for migrations. Any number that other programs do not use. */
const lockKey = 0x6f63_6900

interface Version {
  readonly found: number
  /** Whether this program may use the database, although its schema is newer. */
  readonly isCompatible: boolean
}

/** Whether all migrations that this program does not know allow it to read or write. */
const compatible = (db: Database, supported: number): Effect.Effect<boolean, StoreError.Failed> => {
  const condition = schemaVersion.forbids(db.isReadOnly ? "readable_by" : "writable_by", supported)
  const refusing = db.statement(`SELECT m.version FROM migration m LEFT JOIN compatibility c ON c.version = m.version
    WHERE ${condition} LIMIT 1`)
  return Effect.map(db.read(refusing, {}), (rows) => rows.length === 0)
}

/** Applies the migrations that a database does not have. Returns the version that it had. */
export const run = (
  db: Database,
  migrations: ReadonlyArray<Migration>
): Effect.Effect<Version, StoreError.Failed> =>
  Effect.gen(function*() {
    const supported = migrations.length
    const found = yield* db.isReadOnly ? versionOf(db) : create(db)
    for (const [index, migration] of migrations.entries()) {
      if (!db.isReadOnly && index >= found) yield* apply(db, index + 1, migration)
    }
    return { found, isCompatible: found <= supported || (yield* compatible(db, supported)) }
  }).pipe(asFailed)

const current = `SELECT COALESCE(MAX(version), 0) AS version FROM migration`

const versionOf = (db: Database) => Effect.map(db.read(db.statement(current), {}), ([row]) => Number(row!["version"]))

/** Several processes start at the same time. */
const lock = (db: Database) => db.lock(`SELECT pg_advisory_xact_lock(${lockKey})`)

const create = (db: Database) =>
  Effect.map(
    db.run([...lock(db), plain(versions(db.dialect)), db.statement(current)], {}, {}),
    (results) => Number(results.at(-1)![0]!["version"])
  )

/**
 * Waits for the batches of programs that the migration forbids to write. Those that come later wait for the migration,
 * and their fence then refuses them.
 */
const excludeOthers = (db: Database, version: number, { writableBy }: Migration) =>
  writableBy !== undefined && writableBy < version ? [] : db.lock(`LOCK TABLE migration IN ACCESS EXCLUSIVE MODE`)

/** Applies a migration, unless another process has applied it in the meantime. */
const apply = (db: Database, version: number, migration: Migration) => {
  const { readableBy, statements, writableBy } = migration
  const applied = db.guard(`SELECT 'Applied' AS refusal, NULL AS value FROM migration WHERE version >= :version`)
  const record = [
    db.statement(`INSERT INTO migration (version, applied_at) VALUES (:version, :now)`),
    ...(readableBy === undefined || writableBy === undefined ? [] : [
      db.statement(`INSERT INTO compatibility (version, readable_by, writable_by)
        VALUES (:version, :readableBy, :writableBy)`)
    ])
  ]
  const values = { version, readableBy: readableBy ?? null, writableBy: writableBy ?? null }
  const all = [...lock(db), ...excludeOthers(db, version, migration), applied, ...statements.map(plain), ...record]
  return Effect.catchAll(
    db.run(all, values, { Applied: () => "Applied" as const }),
    (error) => error === "Applied" ? Effect.void : Effect.fail(error)
  )
}
