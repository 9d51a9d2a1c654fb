/**
 * The service that runs batches of SQL statements: all that a metadata store needs of a database.
 *
 * @since 0.1.0
 */
import type * as StoreError from "@effect-oci/store/StoreError"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"

/**
 * A parameter of a statement. A number must be finite. Drivers differ in how they treat other values, and one of them
 * ends the process, so an implementation checks the parameters first.
 *
 * @since 0.1.0
 * @category models
 */
export type Param = string | number | Uint8Array | null

/**
 * A row of a result, by the names of the columns.
 *
 * @since 0.1.0
 * @category models
 */
export interface Row {
  readonly [column: string]: unknown
}

/**
 * A statement of a batch.
 *
 * A guard is a query that refuses the batch if it returns rows: the batch then changes nothing and fails with
 * {@link Refused}. A guard has two columns of text, `refusal` and `value`. A guard is a query, and not a statement that
 * raises an error, because each kind of database stops a batch in another way: a worker thread of SQLite looks at the
 * rows and rolls back; a database that receives the whole batch at once, such as PostgreSQL, wraps the query in an
 * expression that fails with the rows in its message.
 *
 * @since 0.1.0
 * @category models
 */
export interface Statement {
  /** The text, with the placeholders `?1` (SQLite) or `$1` (PostgreSQL). The number of different texts is small. */
  readonly sql: string
  readonly params: ReadonlyArray<Param>
  readonly guard: boolean
}

/**
 * A guard refused the batch. `values` are the values of all rows of the guard that have its first refusal.
 *
 * @since 0.1.0
 * @category errors
 */
export class Refused extends Data.TaggedClass("OciSqlRefused")<{
  readonly refusal: string
  readonly values: ReadonlyArray<string | null>
}> {}

/**
 * Creates a {@link Refused} from the rows of a guard.
 *
 * @since 0.1.0
 * @category constructors
 */
export const refusedBy = (rows: ReadonlyArray<Row>): Refused => {
  const refusal = String(rows[0]?.["refusal"])
  const same = rows.filter((row) => row["refusal"] === refusal)
  return new Refused({ refusal, values: same.map(({ value }) => value as string | null) })
}

/**
 * Options for a batch.
 *
 * @since 0.1.0
 * @category models
 */
export interface RunOptions {
  /**
   * If `true`, a crash of a PostgreSQL server may undo the batch, or a power failure of the machine with SQLite. Such a
   * batch is faster.
   */
  readonly relaxed?: boolean | undefined
}

/**
 * Runs statements on a database.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  readonly dialect: "sqlite" | "postgres"
  /**
   * The clock for the times that are stored. `process`: the `Clock` of the caller, for a database in this process.
   * `database`: the clock of the database, which all of its clients share.
   */
  readonly clock: "process" | "database"
  /** Whether the database was opened for reading only. Then `run` fails. */
  readonly readOnly?: boolean | undefined
  /** Whether this program has created or upgraded the tables before. Then it does not look at their version again. */
  readonly migrated?: boolean | undefined
  /** The size of the largest value that a row can have, in bytes. A larger manifest is stored in parts. */
  readonly maxValueBytes?: number | undefined
  /** Runs statements as one transaction: all or none. Returns the rows of each statement. Batches run in order. */
  readonly run: (
    statements: ReadonlyArray<Statement>,
    options?: RunOptions
  ) => Effect.Effect<
    ReadonlyArray<ReadonlyArray<Row>>,
    Refused | StoreError.Full | StoreError.Failed | StoreError.OutcomeUnknown
  >
  /** Runs one query. It sees all batches that have succeeded. The result may be settled. */
  readonly read: (statement: Statement) => Effect.Effect<ReadonlyArray<Row>, StoreError.Failed>
}

/**
 * The service that runs batches of SQL statements.
 *
 * @since 0.1.0
 * @category services
 */
export class SqlBatch extends Context.Tag("@effect-oci/store-sql/SqlBatch")<SqlBatch, Service>() {}
