import type * as StoreError from "@effect-oci/store/StoreError"
import * as Effect from "effect/Effect"
import { asFailed, type Database, type Template } from "./database.js"
import { migrations, versions } from "./schema.js"

/** A statement of the schema contains no parameters: colons in it have another meaning. */
const plain = (sql: string): Template => ({ sql, names: [], guard: false })

/** The key of the lock for migrations. Any number that other programs do not use. */
const lockKey = 0x6f63_6900

interface Version {
  readonly found: number
  readonly supported: number
  /** Whether this program may use the database, although its schema is newer. */
  readonly isCompatible: boolean
}

/**
 * Whether all migrations that this program does not know allow it to read or write: they name the oldest version of the
 * schema whose programs can. Other migrations do not allow any program that does not know them.
 */
const compatible = (db: Database, supported: number): Effect.Effect<boolean, StoreError.Failed> => {
  const oldest = db.isReadOnly ? "readable_by" : "writable_by"
  const refusing = db.statement(`SELECT m.version FROM migration m LEFT JOIN compatibility c ON c.version = m.version
    WHERE m.version > :supported AND (c.version IS NULL OR c.${oldest} > :supported) LIMIT 1`)
  return Effect.map(db.read(refusing, { supported }), (rows) => rows.length === 0)
}

/** Applies the migrations that a database does not have. Returns its version, and the newest version that is known. */
export const run = (db: Database): Effect.Effect<Version, StoreError.Failed> =>
  Effect.gen(function*() {
    const all = migrations(db.dialect)
    const supported = all.length
    const found = yield* db.isReadOnly ? versionOf(db) : create(db)
    for (let version = found + 1; version <= supported; version++) {
      if (!db.isReadOnly) yield* apply(db, version)
    }
    return { found, supported, isCompatible: found <= supported || (yield* compatible(db, supported)) }
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

/** Applies a migration, unless another process has applied it in the meantime. */
const apply = (db: Database, version: number) => {
  const { readableBy, statements, writableBy } = migrations(db.dialect)[version - 1]!
  const applied = db.guard(`SELECT 'Applied' AS refusal, NULL AS value FROM migration WHERE version >= :version`)
  const record = [
    db.statement(`INSERT INTO migration (version, applied_at) VALUES (:version, :now)`),
    ...(readableBy === undefined || writableBy === undefined ? [] : [
      db.statement(`INSERT INTO compatibility (version, readable_by, writable_by)
        VALUES (:version, :readableBy, :writableBy)`)
    ])
  ]
  const values = { version, readableBy: readableBy ?? null, writableBy: writableBy ?? null }
  return Effect.catchAll(
    db.run([...lock(db), applied, ...statements.map(plain), ...record], values, { Applied: () => "Applied" as const }),
    (error) => error === "Applied" ? Effect.void : Effect.fail(error)
  )
}
