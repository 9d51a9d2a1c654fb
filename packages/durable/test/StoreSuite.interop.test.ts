/** Files and PostgreSQL are the store of a registry. */
import { StoreSuite } from "@effect-oci/conformance"
import { NodeBlobStore } from "@effect-oci/store-files"
import { SqlBatch, SqlMetadataStore } from "@effect-oci/store-sql"
import * as NodeSql from "@effect-oci/testing/NodeSql"
import * as NodeTemporary from "@effect-oci/testing/NodeTemporary"
import { afterAll, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"

const postgres = NodeSql.postgres()
afterAll(postgres.close)

const make = Effect.zipWith(NodeTemporary.directory, postgres.batch, (directory, batch) =>
  Layer.merge(
    NodeBlobStore.layer({ directory }),
    SqlMetadataStore.layer().pipe(Layer.provide(Layer.succeed(SqlBatch.SqlBatch, batch)))
  ))

describe("a registry over files and PostgreSQL", () => {
  for (const { name, run } of StoreSuite.all) it.effect(name, () => run({ make, durable: true }), 240_000)
})
