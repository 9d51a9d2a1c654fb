import { SqlBacklog, SqlBatch, SqlMetadataStore } from "@effect-oci/store-sql"
import * as Sqlite from "@effect-oci/store-sql/Sqlite"
import * as NodeSql from "@effect-oci/testing/NodeSql"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Layer, Metric, TestClock } from "effect"
import type { Scope } from "effect"
import { join } from "node:path"
import { digestOf, keep, limits, link, repository, upload } from "./content.js"
import { temporaryFolder } from "./temporary.js"

const postgres = NodeSql.postgres()
afterAll(postgres.close)

const databases: { readonly [name: string]: Effect.Effect<SqlBatch.Service, never, Scope.Scope> } = {
  SQLite: Effect.flatMap(temporaryFolder, (folder) => Sqlite.make({ filename: join(folder, "metadata.db") })).pipe(
    Effect.orDie
  ),
  PostgreSQL: postgres.batch
}

const measured = Effect.map(
  Metric.snapshot,
  (pairs) =>
    Object.fromEntries(
      pairs.flatMap(({ metricKey: { name }, metricState }) =>
        /^oci\.(collector|garbage|uploads)/.test(name) && "value" in metricState ? [[name, metricState.value]] : []
      )
    )
)

describe.each(Object.entries(databases))("the backlog of the collector in %s", (_, database) => {
  it.scoped("counts content to review, bytes to delete and open sessions, and says how old they are", () =>
    Effect.gen(function*() {
      const batch = yield* database
      const provided = Effect.provideService(SqlBatch.SqlBatch, batch)
      const store = yield* provided(SqlMetadataStore.make())
      const measure = yield* provided(SqlBacklog.make)
      const nothing = { reviews: 0, garbage: 0, garbageBytes: 0, uploads: 0 }
      assert.deepInclude(yield* measure("1 hour"), nothing)

      yield* store.linkBlob({ ...link("a"), size: 1000 })
      yield* store.linkBlob({ ...link("b"), size: 10 })
      yield* store.createUpload(upload("one"), keep, limits)
      yield* TestClock.adjust("30 minutes")
      assert.deepInclude(yield* measure("1 hour"), { ...nothing, uploads: 1 })
      const removed = { repository, digest: digestOf("a"), evenIfReferenced: false, readable: keep }
      yield* store.unlinkBlob(removed)
      yield* store.endUpload("one")
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* measure("1 hour"), {
        reviews: 2,
        oldestReview: Duration.minutes(30),
        garbage: 2,
        garbageBytes: 1000,
        oldestGarbage: Duration.hours(1),
        uploads: 0
      })

      yield* store.claimGarbage(10, keep)
      assert.deepInclude(yield* measure("1 hour"), { garbage: 2, oldestGarbage: Duration.hours(1) })
      yield* store.forgetGarbage([link("a").key])
      yield* provided(Layer.build(SqlBacklog.layer({ grace: "1 hour" })))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* measured, {
        "oci.collector.due": 2,
        "oci.collector.due.age": 31 * 60,
        "oci.garbage": 1,
        "oci.garbage.size": 0,
        "oci.garbage.age": 61 * 60,
        "oci.uploads.open": 0
      })
    }))
})
