import { MetadataStoreSuite } from "@effect-oci/conformance"
import { SqlMetadataStore } from "@effect-oci/store-sql"
import * as Postgres from "@effect-oci/store-sql/Postgres"
import { describe, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import type { Pool } from "pg"
import * as postgresServer from "./postgresServer.js"

class Server extends Context.Tag("Server")<Server, Pool>() {}

const programs = await postgresServer.findPrograms()

describe.skipIf(programs === undefined)("the metadata store in a PostgreSQL server", () => {
  layer(Layer.scoped(Server, postgresServer.make(programs ?? "")), { timeout: 60_000, excludeTestServices: true })(
    (test) => {
      const make = Effect.acquireRelease(
        Server,
        (pool) => Effect.promise(() => pool.query("DROP SCHEMA public CASCADE; CREATE SCHEMA public"))
      ).pipe(Effect.map((pool) => SqlMetadataStore.layer().pipe(Layer.provide(Postgres.layer({ pool })), Layer.orDie)))
      for (const { name, run } of MetadataStoreSuite.all) {
        test.scoped(name, () =>
          Effect.flatMap(Effect.context<Server>(), (context) =>
            run({
              make: Effect.provide(make, context),
              durable: true,
              time: { unit: "300 millis", pass: Effect.sleep }
            })), 120_000)
      }
    }
  )
})
