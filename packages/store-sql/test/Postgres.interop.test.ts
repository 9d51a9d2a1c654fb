import { MetadataStoreSuite } from "@effect-oci/conformance"
import { SqlMetadataStore } from "@effect-oci/store-sql"
import * as Postgres from "@effect-oci/store-sql/Postgres"
import * as NodePostgres from "@effect-oci/testing/NodePostgres"
import * as NodeSql from "@effect-oci/testing/NodeSql"
import { describe, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { emptyPool, Server, server } from "./postgres.js"
import { sharing } from "./refreshTokens.js"
import { counting } from "./usage.js"

describe.skipIf(!NodePostgres.available)("the metadata store in a PostgreSQL server", () => {
  layer(server, { timeout: 60_000, excludeTestServices: true })((test) => {
    const make = Effect.map(
      emptyPool,
      (pool) => SqlMetadataStore.layer().pipe(Layer.provide(Postgres.layer({ pool })), Layer.orDie)
    )
    // The tests wait for the clock of the database most of the time.
    describe.concurrent("by its clock", () => {
      for (const { name, run } of MetadataStoreSuite.all) {
        test.scoped(name, () =>
          Effect.flatMap(Effect.context<Server>(), (context) =>
            run({
              make: Effect.provide(make, context),
              durable: true,
              time: { unit: "300 millis", pass: Effect.sleep }
            })), 120_000)
      }
    })
    test.scoped("shares refresh tokens between servers", () =>
      Effect.gen(function*() {
        const config = yield* Effect.flatMap(Server, NodeSql.emptySchema)
        const [a, b] = [yield* NodeSql.pool(config), yield* NodeSql.pool(config)]
        yield* sharing(
          [Postgres.make({ pool: a }), Postgres.make({ pool: b })],
          { lifetime: "3 seconds", pass: Effect.sleep("3.1 seconds") }
        )
      }), 60_000)
    test.scoped("counts exactly what several nodes store", () =>
      Effect.gen(function*() {
        const config = yield* Effect.flatMap(Server, NodeSql.emptySchema)
        const [a, b] = [yield* NodeSql.pool(config), yield* NodeSql.pool(config)]
        yield* counting([Postgres.make({ pool: a }), Postgres.make({ pool: b })], 150)
      }), 120_000)
  })
})
