import { MetadataStoreSuite, StoreSuite } from "@effect-oci/conformance"
import { Memory } from "@effect-oci/store"
import * as Postgres from "@effect-oci/store-sql/Postgres"
import * as NodePostgres from "@effect-oci/testing/NodePostgres"
import { describe, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { database, emptyPool, pool, Server, server, store } from "./postgres.js"
import { sharing } from "./refreshTokens.js"
import { counting } from "./usage.js"

describe.skipIf(!NodePostgres.available)("the metadata store in a PostgreSQL server", () => {
  layer(server, { timeout: 60_000, excludeTestServices: true })((test) => {
    const make = Effect.map(emptyPool, (pool) => store(pool))
    for (const { name, run } of MetadataStoreSuite.all) {
      test.scoped(name, () =>
        Effect.flatMap(Effect.context<Server>(), (context) =>
          run({
            make: Effect.provide(make, context),
            durable: true,
            time: { unit: "300 millis", pass: Effect.sleep }
          })), 120_000)
    }
    test.scoped("shares refresh tokens between servers", () =>
      Effect.gen(function*() {
        const config = yield* database
        const [a, b] = [yield* pool(config), yield* pool(config)]
        yield* sharing(
          [Postgres.make({ pool: a }), Postgres.make({ pool: b })],
          { lifetime: "3 seconds", pass: Effect.sleep("3.1 seconds") }
        )
      }), 60_000)
    test.scoped("counts exactly what several nodes store", () =>
      Effect.gen(function*() {
        const config = yield* database
        const [a, b] = [yield* pool(config), yield* pool(config)]
        yield* counting([Postgres.make({ pool: a }), Postgres.make({ pool: b })], 150)
      }), 120_000)
    // The checks of crashes expect that a restart finds the bytes again.
    const pair = Effect.map(make, (metadata) => Layer.merge(Memory.layerBlobStore(), metadata))
    for (const { name, run } of StoreSuite.all.filter(({ name }) => !name.startsWith("loses nothing"))) {
      test.scoped(
        `a registry over it ${name}`,
        () =>
          Effect.flatMap(
            Effect.context<Server>(),
            (context) => run({ make: Effect.provide(pair, context), time: { unit: "300 millis", pass: Effect.sleep } })
          ),
        120_000
      )
    }
  })
})
