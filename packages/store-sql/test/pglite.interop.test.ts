import { MetadataStoreSuite } from "@effect-oci/conformance"
import { SqlBatch, SqlMetadataStore } from "@effect-oci/store-sql"
import * as pglite from "@effect-oci/testing/NodePglite"
import { afterAll, describe, it } from "@effect/vitest"
import { PGlite } from "@electric-sql/pglite"
import { Effect, Layer } from "effect"

/** All checks share one PostgreSQL, because it takes seconds to start. */
const database = PGlite.create()
afterAll(async () => (await database).close())

const postgres = Effect.acquireRelease(
  Effect.promise(() => database),
  pglite.clear
).pipe(
  Effect.map((opened) =>
    SqlMetadataStore.layer().pipe(Layer.provide(Layer.succeed(SqlBatch.SqlBatch, pglite.make(opened))), Layer.orDie)
  )
)

describe("the metadata store in PostgreSQL in this process", () => {
  for (const { name, run } of MetadataStoreSuite.all) {
    it.scoped(name, () => run({ make: postgres, durable: true }), 300_000)
  }
})
