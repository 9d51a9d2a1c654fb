/**
 * A database of PostgreSQL, which any number of processes share. Uses a pool of connections of the package `pg`, which
 * the caller installs and configures.
 *
 * Each batch is one transaction with the isolation level "read committed". Its first statements lock the rows that it
 * depends on, in an order that all commands share. A batch that PostgreSQL ends because of another one is run again. A
 * batch is sent as a whole, and costs one round trip. Queries that arrive at once share a round trip. Times are by the clock of the database.
 *
 * @since 0.1.0
 */
import * as StoreError from "@effect-oci/store/StoreError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { PoolMetrics } from "./internal/metrics.js"
import { check } from "./internal/params.js"
import { type Failure, failureOf, isLost, raising } from "./internal/postgres/failure.js"
import * as pipeline from "./internal/postgres/pipeline.js"
import { asError, Reads } from "./internal/postgres/reads.js"
import type { Connection, Pool } from "./PostgresModel.js"
import { type Row, type RunOptions, type Service, SqlBatch, type Statement } from "./SqlBatch.js"

export * from "./PostgresModel.js"

/**
 * Options for {@link layer}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The pool. Its owner closes it, and listens to its event `error`, which reports a lost connection that is idle. */
  readonly pool: Pool
  /**
   * How long a batch is run again and again that PostgreSQL ends because of other batches.
   *
   * @default 30 seconds
   */
  readonly retryFor?: Duration.DurationInput | undefined
  /**
   * The name of the pool in metrics, if there are several pools.
   *
   * @default "postgresql"
   */
  readonly name?: string | undefined
}

type Rows = ReadonlyArray<ReadonlyArray<Row>>

const plain = (sql: string) => ({ sql, params: [] })

const begin = plain("BEGIN ISOLATION LEVEL READ COMMITTED")
const relaxed = plain("SET LOCAL synchronous_commit = off")
const commit = plain("COMMIT")
const rollback = plain("ROLLBACK")

/** Runs a batch once, in one round trip. The connection is closed if its state is not known. */
const attempt = async (
  pool: Pool,
  metrics: PoolMetrics,
  statements: ReadonlyArray<Statement>,
  options: RunOptions | undefined
): Promise<Rows | Failure> => {
  const checked = statements.map(check)
  const begun = metrics.begin()
  let connection: Connection
  try {
    connection = await pool.connect()
  } catch (cause) {
    return new StoreError.Failed({ cause })
  }
  const connected = metrics.connected(begun)
  const before = options?.relaxed === true ? [begin, relaxed] : [begin]
  try {
    const results = await pipeline.run(connection, [
      ...before,
      ...checked.map((statement) => ({ sql: raising(statement), params: statement.params })),
      commit
    ])
    connection.release()
    metrics.ended("transaction", begun, connected, undefined)
    return results.slice(before.length, -1)
  } catch (cause) {
    await undo(connection, cause)
    const failure = failureOf(cause)
    metrics.ended("transaction", begun, connected, failure._tag)
    return failure
  }
}

const undo = async (connection: Connection, cause: unknown): Promise<void> => {
  try {
    if (isLost(cause)) throw cause
    await pipeline.run(connection, [rollback])
    connection.release()
  } catch (error) {
    connection.release(asError(error))
  }
}

/**
 * Creates the service for a pool.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = ({ name = "postgresql", pool, retryFor = "30 seconds" }: Options): Service => {
  const metrics = new PoolMetrics(pool, name)
  const reads = new Reads(pool, metrics)
  const again = Schedule.exponential(Duration.millis(2), 1.5).pipe(
    Schedule.either(Schedule.spaced("100 millis")),
    Schedule.jittered,
    Schedule.upTo(retryFor)
  )
  return {
    dialect: "postgres",
    clock: "database",
    // A batch that has begun is not interrupted, so that its connection returns to the pool.
    run: (statements, options) =>
      Effect.uninterruptible(
        Effect.flatMap(
          Effect.promise(() => attempt(pool, metrics, statements, options)),
          (result): Effect.Effect<Rows, Failure> => "_tag" in result ? Effect.fail(result) : Effect.succeed(result)
        )
      ).pipe(
        Effect.tapErrorTag("Conflict", () => Effect.sync(() => metrics.retried())),
        Effect.retry({ schedule: again, while: ({ _tag }) => _tag === "Conflict" }),
        Effect.catchTag("Conflict", ({ cause }) => Effect.fail(new StoreError.Failed({ cause })))
      ),
    read: (statement) =>
      Effect.uninterruptible(Effect.tryPromise({
        try: () => reads.read(check(statement)),
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
