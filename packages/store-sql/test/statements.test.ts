import { SqlBatch, SqlMetadataStore } from "@effect-oci/store-sql"
import * as Sqlite from "@effect-oci/store-sql/Sqlite"
import * as NodeSql from "@effect-oci/testing/NodeSql"
import { afterAll, assert, describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { join } from "node:path"
import * as store from "../src/internal/commands/store.js"
import { Database } from "../src/internal/database.js"
import type { Template } from "../src/internal/database.js"
import { temporaryFolder } from "./temporary.js"

const postgres = NodeSql.postgres()
afterAll(postgres.close)

/** Returns all statements of the commands. */
const statementsFor = (batch: SqlBatch.Service): ReadonlyArray<Template> => {
  const templates: Array<Template> = []
  class Recording extends Database {
    override statement(text: string) {
      return this.record(super.statement(text))
    }
    override guard(text: string) {
      return this.record(super.guard(text))
    }
    private record(template: Template) {
      templates.push(template)
      return template
    }
  }
  const db = new Recording(batch)
  store.make(db, { eventsKept: 1 })
  return templates
}

/** A page of a list, or the next rows for the collector. */
const isPage = (sql: string) => /ORDER BY[^()]*LIMIT/.test(sql) && !/jsonb?_/.test(sql)

const isList = (sql: string) => /ORDER BY/.test(sql) && !/json_each/.test(sql)

describe("the statements", () => {
  it.scoped("find their rows by an index, in the order of the list, in SQLite", () =>
    Effect.gen(function*() {
      const folder = yield* temporaryFolder
      const batch = yield* Sqlite.make({ filename: join(folder, "metadata.db") })
      yield* Effect.provideService(SqlMetadataStore.make(), SqlBatch.SqlBatch, batch)
      const templates = statementsFor(batch)
      expect(templates.filter(({ sql }) => isList(sql)).length).toBeGreaterThan(8)
      for (const { names, sql } of templates) {
        const plan = yield* batch.read({
          sql: `EXPLAIN QUERY PLAN ${sql}`,
          params: names.map(() => null),
          guard: false
        })
        const steps = plan.map((row) => String(row["detail"]))
        // Sessions are counted up to their limit. The other scans are of constants and of a list of parameters.
        const scans = steps.filter((step) =>
          step.startsWith("SCAN ") && !/^SCAN (CONSTANT ROW|json_each|one|open|upload USING COVERING INDEX)/.test(step)
        )
        assert.deepStrictEqual(scans, [], sql)
        if (isList(sql)) assert.deepStrictEqual(steps.filter((step) => /TEMP B-TREE/.test(step)), [], sql)
      }
    }))

  it.scoped("find their rows by an index, in the order of the list, in PostgreSQL", () =>
    Effect.gen(function*() {
      const batch = yield* postgres.batch
      yield* Effect.provideService(SqlMetadataStore.make(), SqlBatch.SqlBatch, batch)
      const plain = (sql: string) => ({ sql, params: [], guard: false })
      expect(statementsFor(batch).filter(({ sql }) => isPage(sql)).length).toBeGreaterThan(8)
      // A small table is read as a whole, so that these plans are forbidden where there are others.
      const settings = ["plan_cache_mode = force_generic_plan", "enable_seqscan = off", "enable_bitmapscan = off"]
      for (const { names, sql } of statementsFor(batch)) {
        const values = names.length === 0 ? "" : `(${names.map(() => "NULL").join(", ")})`
        const results = yield* batch.run([
          ...[...settings, ...(isPage(sql) ? ["enable_sort = off"] : [])].map((text) => plain(`SET LOCAL ${text}`)),
          plain(`PREPARE explained AS ${sql}`),
          plain(`EXPLAIN EXECUTE explained${values}`),
          plain("DEALLOCATE explained")
        ])
        const steps = results.at(-2)!.map((row) => String(row["QUERY PLAN"]).trim())
        // Sessions are counted up to their limit. The newest event is the last of its index.
        const scans = steps.filter((step) => /Seq Scan on (?!upload)/.test(step))
        assert.deepStrictEqual(scans, [], sql)
        if (isPage(sql)) assert.deepStrictEqual(steps.filter((step) => /Sort/.test(step)), [], sql)
        if (isList(sql) && /SELECT name FROM/.test(sql)) {
          assert.isTrue(steps.some((step) => /Index Only Scan/.test(step)), sql)
        }
      }
    }), 60_000)
})
