/**
 * A database of Cloudflare D1, by its binding in a worker. Needs no types and no package of Cloudflare.
 *
 * D1 receives a batch as a whole and runs it as one transaction, which a failed statement undoes. So a guard is sent as
 * an expression that fails with its rows in the message. Times are by the clock of the database.
 *
 * @since 0.1.0
 */
import * as StoreError from "@effect-oci/store/StoreError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { check } from "./internal/params.js"
import { type Refused, refusedBy, type Row, type Service, SqlBatch, type Statement } from "./SqlBatch.js"

/**
 * A prepared statement: `D1PreparedStatement` of Cloudflare.
 *
 * @since 0.1.0
 * @category models
 */
export interface PreparedStatement {
  readonly bind: (...values: Array<unknown>) => PreparedStatement
}

/**
 * The binding of a database: `D1Database` of Cloudflare.
 *
 * @since 0.1.0
 * @category models
 */
export interface Database {
  readonly prepare: (query: string) => PreparedStatement
  /** A method, so that a binding whose statements have more methods is accepted. */
  batch(
    statements: Array<PreparedStatement>
  ): Promise<ReadonlyArray<{ readonly results: ReadonlyArray<unknown> }>>
}

/**
 * Options for {@link layer}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The binding of the database. */
  readonly database: Database
  /**
   * Whether this program has created or upgraded the tables before. A worker opens the database for each request, and
   * looks at its version once.
   *
   * @default false
   */
  readonly migrated?: boolean | undefined
}

/** A row of D1 has at most 2 MB. */
const maxValueBytes = 1_000_000

/** The word before the rows of a guard in the message of D1. */
const marker = "refused:"

/**
 * Wraps a guard in a query that fails if the guard returns rows. SQLite has no function that raises an error outside of
 * a trigger, but the error about a wrong path in JSON contains the path.
 */
const failingGuard = (sql: string): string =>
  `SELECT json_extract('{}', '${marker}' || hex(json_group_array(json_array(refusal, value)))) FROM (${sql})
    HAVING COUNT(*) > 0`

/** Reads the rows of a guard from an error. */
const readRefusal = (message: string): Refused | undefined => {
  const hex = new RegExp(`${marker}([0-9A-F]+)`).exec(message)?.[1]
  if (hex === undefined) return undefined
  const bytes = Uint8Array.from(hex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16))
  const rows = JSON.parse(new TextDecoder().decode(bytes)) as ReadonlyArray<readonly [string, string | null]>
  return refusedBy(rows.map(([refusal, value]) => ({ refusal, value })))
}

/** The database answered, so that the batch has had no effect. */
const isAnswer = (message: string): boolean => /SQLITE_|overloaded|too many requests/i.test(message)

/** Maps an error of D1. An error that is not an answer of the database is a lost connection. */
const failureOf = (cause: unknown): Refused | StoreError.Full | StoreError.Failed | StoreError.OutcomeUnknown => {
  const message = cause instanceof Error ? cause.message : String(cause)
  const refused = readRefusal(message)
  if (refused !== undefined) return refused
  if (/SQLITE_FULL|exceeded maximum DB size/i.test(message)) return new StoreError.Full()
  return isAnswer(message) ? new StoreError.Failed({ cause }) : new StoreError.OutcomeUnknown({ cause })
}

/** D1 returns bytes as an array of numbers. */
const withBytes = (row: unknown): Row => {
  const plain: { [column: string]: unknown } = {}
  for (const [column, value] of Object.entries(row as Row)) {
    plain[column] = Array.isArray(value) ? Uint8Array.from(value) : value
  }
  return plain
}

/**
 * Creates the service for a binding.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = ({ database, migrated = false }: Options): Service => {
  const prepare = (statement: Statement): PreparedStatement => {
    const { guard, params, sql } = check(statement)
    return database.prepare(guard ? failingGuard(sql) : sql).bind(...params)
  }
  const batch = async (statements: ReadonlyArray<Statement>): Promise<ReadonlyArray<ReadonlyArray<Row>>> =>
    (await database.batch(statements.map(prepare))).map(({ results }) => results.map(withBytes))
  return {
    dialect: "sqlite",
    clock: "database",
    migrated,
    maxValueBytes,
    run: (statements) => Effect.uninterruptible(Effect.tryPromise({ try: () => batch(statements), catch: failureOf })),
    read: (statement) =>
      Effect.map(
        Effect.tryPromise({
          try: () => batch([{ ...statement, guard: false }]),
          catch: (cause) => new StoreError.Failed({ cause })
        }),
        ([rows]) => rows!
      )
  }
}

/**
 * Creates a layer with the service for a binding.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options): Layer.Layer<SqlBatch> => Layer.sync(SqlBatch, () => make(options))
