/**
 * A database of PostgreSQL, which any number of processes share. Uses a pool of connections of the package `pg`, which
 * the caller installs and configures.
 *
 * Each batch is one serializable transaction, so that its conditions hold until it commits, without locks of its own.
 * PostgreSQL ends one of two transactions that depend on each other; that batch is run again. A process runs its batches
 * for one repository one after another, because they would often depend on each other. Times are by the clock of the
 * database.
 *
 * @since 0.1.0
 */
import * as Digest from "@effect-oci/core/Digest"
import * as KeyedMutex from "@effect-oci/core/KeyedMutex"
import * as StoreError from "@effect-oci/store/StoreError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { check } from "./internal/params.js"
import {
  type Refused,
  refusedBy,
  type Row,
  type RunOptions,
  type Service,
  SqlBatch,
  type Statement
} from "./SqlBatch.js"

/**
 * A connection of a pool: `PoolClient` of the package `pg`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Connection {
  readonly query: (query: {
    readonly name?: string
    readonly text: string
    readonly values?: Array<unknown>
  }) => Promise<{ readonly rows: Array<Row> }>
  /** Returns the connection to the pool. With an error, closes the connection. */
  readonly release: (error?: Error) => void
}

/**
 * A pool of connections: `Pool` of the package `pg`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Pool {
  readonly connect: () => Promise<Connection>
}

/**
 * Options for {@link layer}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The pool. Its owner closes it. */
  readonly pool: Pool
  /**
   * How long a batch is run again and again that PostgreSQL ends because of other batches.
   *
   * @default 30 seconds
   */
  readonly retryFor?: Duration.DurationInput | undefined
}

/**
 * SQLSTATE codes: https://www.postgresql.org/docs/current/errcodes-appendix.html. A violation of a unique constraint is a
 * conflict too: no batch inserts a row that exists, unless another one inserts it at the same time. So is an existing
 * table, which another node creates at the same time.
 */
const conflicts = new Set(["40001", "40P01", "23505", "42P07"])
const diskFull = "53100"

/** PostgreSQL ended the transaction because of another one. */
class Conflict {
  readonly _tag = "Conflict"
  constructor(readonly cause: unknown) {}
}

type Failure = Refused | StoreError.Full | StoreError.Failed | StoreError.OutcomeUnknown | Conflict

/** Maps an error of the driver. An error without a code is a lost connection, and not an answer of the database. */
const failureOf = (cause: unknown, isCommit: boolean): Failure => {
  const { code } = cause as { readonly code?: unknown }
  if (typeof code === "string" && conflicts.has(code)) return new Conflict(cause)
  if (code === diskFull) return new StoreError.Full()
  const isAnswer = typeof code === "string" && /^(?!57P|08)[0-9A-Z]{5}$/.test(code)
  return isCommit && !isAnswer ? new StoreError.OutcomeUnknown({ cause }) : new StoreError.Failed({ cause })
}

/** The driver returns bytes as `Buffer`, which is not equal to other bytes. */
const withPlainBytes = (row: Row): Row => {
  const plain: { [column: string]: unknown } = {}
  for (const [column, value] of Object.entries(row)) {
    plain[column] = value instanceof Uint8Array
      ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
      : value
  }
  return plain
}

const names = new Map<string, string>()

/** Names the text of a statement, so that each connection prepares a statement once. Equal texts have equal names. */
const nameOf = (sql: string): string => {
  const name = names.get(sql) ?? `oci_${Digest.encoded(Digest.fromBytes(new TextEncoder().encode(sql))).slice(0, 40)}`
  names.set(sql, name)
  return name
}

/** Runs a statement, prepared if it has parameters. */
const query = async (connection: Connection, statement: Statement): Promise<ReadonlyArray<Row>> => {
  const { params, sql } = check(statement)
  // A statement without parameters may be of the schema, which runs once.
  const named = params.length === 0 ? {} : { name: nameOf(sql) }
  return (await connection.query({ ...named, text: sql, values: [...params] })).rows.map(withPlainBytes)
}

const begin = (options: RunOptions | undefined) =>
  `BEGIN ISOLATION LEVEL SERIALIZABLE${options?.relaxed === true ? "; SET LOCAL synchronous_commit = off" : ""}`

/** Runs a batch once. The connection is closed if its state is not known. */
const attempt = async (
  pool: Pool,
  statements: ReadonlyArray<Statement>,
  options: RunOptions | undefined
): Promise<{ readonly rows: ReadonlyArray<ReadonlyArray<Row>> } | { readonly failure: Failure }> => {
  let connection: Connection
  try {
    connection = await pool.connect()
  } catch (cause) {
    return { failure: failureOf(cause, false) }
  }
  let isCommit = false
  try {
    await connection.query({ text: begin(options) })
    const rows: Array<ReadonlyArray<Row>> = []
    for (const statement of statements) {
      const found = await query(connection, statement)
      if (statement.guard && found.length > 0) {
        await connection.query({ text: "ROLLBACK" })
        connection.release()
        return { failure: refusedBy(found) }
      }
      rows.push(found)
    }
    isCommit = true
    await connection.query({ text: "COMMIT" })
    connection.release()
    return { rows }
  } catch (cause) {
    const failure = failureOf(cause, isCommit)
    try {
      if (failure._tag === "OutcomeUnknown") throw cause
      await connection.query({ text: "ROLLBACK" })
      connection.release()
    } catch (error) {
      connection.release(error instanceof Error ? error : new Error(String(error)))
    }
    return { failure }
  }
}

/**
 * Creates the service for a pool.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = ({ pool, retryFor = "30 seconds" }: Options): Service => {
  const again = Schedule.exponential(Duration.millis(2), 1.5).pipe(
    Schedule.either(Schedule.spaced("100 millis")),
    Schedule.jittered,
    Schedule.upTo(retryFor)
  )
  const mutex = KeyedMutex.make()
  return {
    dialect: "postgres",
    clock: "database",
    // A batch that has begun is not interrupted, so that its connection returns to the pool.
    run: (statements, options) =>
      Effect.uninterruptible(
        Effect.flatMap(
          Effect.promise(() => attempt(pool, statements, options)),
          (result): Effect.Effect<ReadonlyArray<ReadonlyArray<Row>>, Failure> =>
            "rows" in result ? Effect.succeed(result.rows) : Effect.fail(result.failure)
        )
      ).pipe(
        options?.key === undefined ? identity : mutex(options.key),
        Effect.retry({ schedule: again, while: ({ _tag }) => _tag === "Conflict" }),
        Effect.catchTag("Conflict", ({ cause }) => Effect.fail(new StoreError.Failed({ cause })))
      ),
    read: (statement) =>
      Effect.uninterruptible(Effect.tryPromise({
        try: async () => {
          const connection = await pool.connect()
          try {
            const rows = await query(connection, statement)
            connection.release()
            return rows
          } catch (cause) {
            const isLost = failureOf(cause, true)._tag === "OutcomeUnknown"
            connection.release(isLost ? new Error("the connection is lost", { cause }) : undefined)
            throw cause
          }
        },
        catch: (cause) => new StoreError.Failed({ cause })
      }))
  }
}

/**
 * Creates a layer with the service for a pool.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options): Layer.Layer<SqlBatch> => Layer.sync(SqlBatch, () => make(options))
