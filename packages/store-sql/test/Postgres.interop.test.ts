import { MetadataStoreSuite } from "@effect-oci/conformance"
import { SqlMetadataStore } from "@effect-oci/store-sql"
import * as Postgres from "@effect-oci/store-sql/Postgres"
import * as NodePostgres from "@effect-oci/testing/NodePostgres"
import * as NodeSql from "@effect-oci/testing/NodeSql"
import { assert, describe, layer } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer, Option } from "effect"
import { link } from "./content.js"
import { emptyPool, openStore, Server, server } from "./postgres.js"
import { sharing } from "./refreshTokens.js"
import * as robots from "./robots.js"
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
    test.scoped("lets one node review at a time: the others do not wait", () =>
      Effect.gen(function*() {
        const config = yield* Effect.flatMap(Server, NodeSql.emptySchema)
        const pools = [yield* NodeSql.pool(config), yield* NodeSql.pool(config), yield* NodeSql.pool(config)] as const
        const [one, other] = [yield* openStore(pools[0]), yield* openStore(pools[1])]
        yield* one.linkBlob({ ...link("a"), keep: Duration.zero })
        const policy = { grace: Duration.zero, readable: Duration.zero, untagged: "keep" } as const
        const client = yield* Effect.acquireRelease(
          Effect.promise(() => pools[2].connect()),
          (client) => Effect.sync(() => client.release())
        )
        yield* Effect.promise(() => client.query("BEGIN; SELECT 1 FROM blob FOR UPDATE"))
        const waiting = yield* Effect.fork(one.review(policy, 10))
        yield* Effect.sleep("300 millis")
        const nothing = yield* other.review(policy, 10).pipe(Effect.timeout("5 seconds"))
        assert.deepStrictEqual(nothing, { manifests: 0, blobs: 0, more: false })
        assert.isTrue(Option.isNone(yield* Fiber.poll(waiting)))
        yield* Effect.promise(() => client.query("COMMIT"))
        assert.deepStrictEqual(yield* Fiber.join(waiting), { manifests: 0, blobs: 1, more: false })
        assert.deepStrictEqual(yield* other.review(policy, 10), { manifests: 0, blobs: 0, more: false })
      }), 60_000)
    test.scoped("shares refresh tokens between servers", () =>
      Effect.gen(function*() {
        const config = yield* Effect.flatMap(Server, NodeSql.emptySchema)
        const [a, b] = [yield* NodeSql.pool(config), yield* NodeSql.pool(config)]
        yield* sharing(
          [Postgres.make({ pool: a }), Postgres.make({ pool: b })],
          { lifetime: "3 seconds", pass: Effect.sleep("3.1 seconds") }
        )
      }), 60_000)
    test.scoped("shares robots between servers", () =>
      Effect.gen(function*() {
        const config = yield* Effect.flatMap(Server, NodeSql.emptySchema)
        const [a, b] = [yield* NodeSql.pool(config), yield* NodeSql.pool(config)]
        yield* robots.sharing(
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
