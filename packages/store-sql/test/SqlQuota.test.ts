import { RepositoryName } from "@effect-oci/core"
import { SqlBatch, SqlQuota } from "@effect-oci/store-sql"
import * as Sqlite from "@effect-oci/store-sql/Sqlite"
import * as NodeSql from "@effect-oci/testing/NodeSql"
import { afterAll, describe, expect, it } from "@effect/vitest"
import { Duration, Effect, TestClock } from "effect"
import type { Scope } from "effect"
import { join } from "node:path"
import { limiting } from "./quota.js"
import { temporaryFolder } from "./temporary.js"

const postgres = NodeSql.postgres()
afterAll(postgres.close)

const databases: { readonly [name: string]: Effect.Effect<SqlBatch.Service, never, Scope.Scope> } = {
  SQLite: Effect.flatMap(temporaryFolder, (folder) => Sqlite.make({ filename: join(folder, "metadata.db") })).pipe(
    Effect.orDie
  ),
  PostgreSQL: postgres.batch
}

const ledgerOf = (batch: SqlBatch.Service) => Effect.provideService(SqlQuota.make, SqlBatch.SqlBatch, batch)

describe.each(Object.entries(databases))("the quota in %s", (_, database) => {
  it.scopedLive("is never exceeded by 16 clients of two nodes", () =>
    Effect.flatMap(database, (batch) => limiting([batch, batch], 120)))

  it.scopedLive("lets as many reservations pass as fit, and names the rest", () =>
    Effect.gen(function*() {
      const ledger = yield* ledgerOf(yield* database)
      const limit = { prefix: RepositoryName.make("team"), bytes: 1000 }
      const reserve = ledger.reserve({
        limit,
        amount: { bytes: 300, manifests: 0, tags: 0, repositories: 0 },
        lease: Duration.minutes(1)
      })
      const all = yield* Effect.all(Array.from({ length: 8 }, () => reserve), { concurrency: "unbounded" })
      expect(all.filter((exceeded) => exceeded === undefined)).toHaveLength(3)
      expect(all.filter((exceeded) => exceeded !== undefined)).toEqual(
        Array.from({ length: 5 }, () => ({ what: "bytes", used: 0, reserved: 900 }))
      )
    }))
})

it.scoped("a reservation of a node that crashed ends with its lease", () =>
  Effect.gen(function*() {
    const ledger = yield* ledgerOf(yield* databases["SQLite"]!)
    const amount = { bytes: 800, manifests: 0, tags: 0, repositories: 0 }
    const reserve = ledger.reserve({ limit: { bytes: 1000 }, amount, lease: Duration.minutes(10) })
    yield* reserve
    yield* TestClock.adjust("10 minutes")
    expect(yield* reserve).toEqual({ what: "bytes", used: 0, reserved: 800 })
    yield* TestClock.adjust("1 minute")
    expect(yield* reserve).toBeUndefined()
  }))
