import * as Postgres from "@effect-oci/store-sql/Postgres"
import * as NodePostgres from "@effect-oci/testing/NodePostgres"
import * as NodeSql from "@effect-oci/testing/NodeSql"
import { describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { Server, server } from "./postgres.js"
import { upgradesUnderLoad } from "./rollingUpgrade.js"

describe.skipIf(!NodePostgres.available)("the schema in PostgreSQL", () => {
  layer(server, { timeout: 60_000, excludeTestServices: true })((test) => {
    test.scoped("is upgraded under load, and refuses programs that are too old for it", () =>
      Effect.gen(function*() {
        const config = yield* Effect.flatMap(Server, NodeSql.emptySchema)
        yield* upgradesUnderLoad(Effect.map(NodeSql.pool(config), (pool) => Postgres.make({ pool })))
      }), 60_000)
  })
})
