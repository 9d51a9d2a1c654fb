import * as NodePostgres from "@effect-oci/testing/NodePostgres"
import { assert, describe, layer } from "@effect/vitest"
import { Effect, Metric } from "effect"
import { link } from "./content.js"
import { emptyPool, openStore, server } from "./postgres.js"

describe.skipIf(!NodePostgres.available)("the metrics of PostgreSQL", () => {
  layer(server, { timeout: 60_000, excludeTestServices: true })((test) => {
    test.scoped("measure transactions, queries and connections", () =>
      Effect.gen(function*() {
        const store = yield* Effect.flatMap(emptyPool, openStore)
        yield* store.linkBlob(link("a"))
        yield* store.findBlob(link("a").repository, link("a").digest)
        const pairs = yield* Metric.snapshot
        const names = new Set(pairs.map(({ metricKey: { name } }) => name))
        for (const name of ["operation.duration", "connection.wait_time", "connection.use_time", "connection.count"]) {
          assert.isTrue(names.has(`db.client.${name}`), name)
        }
        const labels = pairs.flatMap(({ metricKey }) => metricKey.tags.map(({ key, value }) => `${key}=${value}`))
        for (const label of ["db.operation.name=transaction", "db.operation.name=query", "db.system.name=postgresql"]) {
          assert.include(labels, label)
        }
      }))
  })
})
