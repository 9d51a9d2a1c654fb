import { SqlBatch, SqlMetadataStore } from "@effect-oci/store-sql"
import * as Postgres from "@effect-oci/store-sql/Postgres"
import * as NodePostgres from "@effect-oci/testing/NodePostgres"
import { Context, Effect, Layer } from "effect"
import { Client, Pool } from "pg"

/** A PostgreSQL server for all tests of a file. */
export class Server extends Context.Tag("Server")<Server, NodePostgres.Server>() {}

export const server = Layer.scoped(Server, NodePostgres.make())

let databases = 0

/** Creates an empty database. Returns how to connect to it. */
export const database = Effect.gen(function*() {
  const { config } = yield* Server
  const name = `test${databases++}`
  const connected = Effect.acquireRelease(
    Effect.promise(async () => {
      const client = new Client(config)
      await client.connect()
      return client
    }),
    (client) => Effect.promise(() => client.end())
  )
  const run = (text: string) =>
    Effect.scoped(Effect.flatMap(connected, (client) => Effect.promise(() => client.query(text))))
  yield* Effect.acquireRelease(run(`CREATE DATABASE ${name}`), () => run(`DROP DATABASE ${name} WITH (FORCE)`))
  return { ...config, database: name }
})

/** Opens a pool of connections. */
export const pool = (config: NodePostgres.Server["config"], max = 8) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const opened = new Pool({ ...config, max })
      // An idle connection fails when the server ends.
      opened.on("error", () => {})
      return opened
    }),
    (opened) => Effect.promise(() => opened.end())
  )

/** A pool for an empty database. */
export const emptyPool = Effect.flatMap(database, (config) => pool(config))

/** The metadata store in the database of a pool. */
export const store = (opened: Pool, options?: Omit<Postgres.Options, "pool">) =>
  SqlMetadataStore.layer().pipe(Layer.provide(Postgres.layer({ ...options, pool: opened })), Layer.orDie)

/** Opens the metadata store in the database of a pool. */
export const openStore = (opened: Pool) =>
  Effect.provideService(SqlMetadataStore.make(), SqlBatch.SqlBatch, Postgres.make({ pool: opened }))
