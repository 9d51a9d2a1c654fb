/**
 * Metadata stores in PostgreSQL for tests: in a server, or in PGlite (PostgreSQL in this process) where no server is
 * installed.
 *
 * @since 0.1.0
 */
import type { Registry } from "@effect-oci/core/Registry"
import * as Postgres from "@effect-oci/store-sql/Postgres"
import * as SqlBatch from "@effect-oci/store-sql/SqlBatch"
import * as SqlMetadataStore from "@effect-oci/store-sql/SqlMetadataStore"
import * as Memory from "@effect-oci/store/Memory"
import type { MetadataStore } from "@effect-oci/store/MetadataStore"
import * as Store from "@effect-oci/store/Store"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { Client, Pool, type PoolConfig } from "pg"
import * as pglite from "./NodePglite.js"
import * as NodePostgres from "./NodePostgres.js"

let schemas = 0

/**
 * Creates an empty schema, which takes less time than a database. Returns the options of a connection to it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const emptySchema = ({ config }: NodePostgres.Server): Effect.Effect<PoolConfig> =>
  Effect.promise(async () => {
    const name = `test${schemas++}`
    const client = new Client(config)
    await client.connect()
    await client.query(`CREATE SCHEMA ${name}`)
    await client.end()
    return { ...config, options: `-c search_path=${name}` }
  })

/**
 * Opens a pool of connections. It closes with the scope.
 *
 * @since 0.1.0
 * @category constructors
 */
export const pool = (config: PoolConfig): Effect.Effect<Pool, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const opened = new Pool({ max: 8, ...config })
      // An idle connection fails when the server ends.
      opened.on("error", () => {})
      return opened
    }),
    (opened) => Effect.promise(() => opened.end())
  )

const live = Clock.make()

/** A database whose clock is that of the test, so that no test waits. */
const withTestClock = ({ run, ...batch }: SqlBatch.Service): SqlBatch.Service => ({
  ...batch,
  clock: "process",
  run: (...args) => Effect.withClock(run(...args), live)
})

/**
 * A PostgreSQL for the tests of a file.
 *
 * @since 0.1.0
 * @category models
 */
export interface PostgresForTests {
  /** Opens an empty database. Its clock is the `Clock` of the test. */
  readonly batch: Effect.Effect<SqlBatch.Service, never, Scope.Scope>
  /** Creates an empty metadata store. */
  readonly metadata: Layer.Layer<MetadataStore>
  /** Creates an empty registry, whose blobs are in memory. */
  readonly registry: (options?: Store.Options) => Layer.Layer<Registry>
  /** Ends the server. */
  readonly close: () => Promise<void>
}

/**
 * Starts a server when a test needs it first. Call `close` after all tests of the file.
 *
 * @since 0.1.0
 * @category constructors
 */
export const postgres = (): PostgresForTests => {
  const scope = Effect.runSync(Scope.make())
  const start = Effect.suspend(() => NodePostgres.available ? server : inProcess).pipe(
    Scope.extend(scope),
    Effect.orDie
  )
  const database = Effect.runSync(Effect.cached(start))
  const batch = Effect.flatten(database)
  const metadata = Layer.provide(
    SqlMetadataStore.layer(),
    Layer.scoped(SqlBatch.SqlBatch, batch)
  ).pipe(Layer.orDie)
  return {
    batch,
    metadata,
    registry: (options) => Store.layer(options).pipe(Layer.provide([Memory.layerBlobStore(), Layer.fresh(metadata)])),
    close: () => Effect.runPromise(Scope.close(scope, Exit.void))
  }
}

type Batch = Effect.Effect<SqlBatch.Service, never, Scope.Scope>

const server: Effect.Effect<Batch, NodePostgres.PostgresFailed, Scope.Scope> = Effect.map(
  NodePostgres.make(),
  (running) =>
    Effect.map(
      Effect.flatMap(emptySchema(running), pool),
      (opened) => withTestClock(Postgres.make({ pool: opened }))
    )
)

const inProcess: Effect.Effect<Batch, never, Scope.Scope> = Effect.suspend(() => {
  process.stderr.write("PostgreSQL is not installed (Debian's package postgresql): these tests run in PGlite\n")
  return Effect.map(pglite.open, (database) =>
    Effect.acquireRelease(
      Effect.succeed(pglite.make(database)),
      () => pglite.clear(database)
    ))
})
