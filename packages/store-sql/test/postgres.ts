import { SqlBatch, SqlMetadataStore } from "@effect-oci/store-sql"
import * as Postgres from "@effect-oci/store-sql/Postgres"
import * as NodePostgres from "@effect-oci/testing/NodePostgres"
import * as NodeSql from "@effect-oci/testing/NodeSql"
import { Context, Effect, Layer } from "effect"

/** A PostgreSQL server for all tests of a file. */
export class Server extends Context.Tag("Server")<Server, NodePostgres.Server>() {}

export const server = Layer.scoped(Server, NodePostgres.make())

/** A pool for an empty schema. */
export const emptyPool = Server.pipe(Effect.flatMap(NodeSql.emptySchema), Effect.flatMap(NodeSql.pool))

/** Opens the metadata store in the database of a pool. */
export const openStore = (pool: Postgres.Pool) =>
  Effect.provideService(SqlMetadataStore.make(), SqlBatch.SqlBatch, Postgres.make({ pool }))
