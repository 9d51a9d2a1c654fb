import { MetadataStoreSuite } from "@effect-oci/conformance"
import { SqlBatch, SqlMetadataStore } from "@effect-oci/store-sql"
import * as NodeSql from "@effect-oci/testing/NodeSql"
import { afterAll, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"

const postgres = NodeSql.postgres()
afterAll(postgres.close)

/** The store of a database, which can be opened again. */
const make = Effect.map(
  postgres.batch,
  (batch) => SqlMetadataStore.layer().pipe(Layer.provide(Layer.succeed(SqlBatch.SqlBatch, batch)), Layer.orDie)
)

describe("the metadata store in PostgreSQL", () => {
  for (const { name, run } of MetadataStoreSuite.all) it.scoped(name, () => run({ make, durable: true }), 120_000)
})
