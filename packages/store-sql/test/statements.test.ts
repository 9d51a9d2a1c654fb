import { SqlBatch, SqlMetadataStore } from "@effect-oci/store-sql"
import * as Sqlite from "@effect-oci/store-sql/Sqlite"
import { assert, describe, expect, it } from "@effect/vitest"
import { PGlite } from "@electric-sql/pglite"
import { Effect } from "effect"
import { join } from "node:path"
import * as blobs from "../src/internal/commands/blobs.js"
import * as collector from "../src/internal/commands/collector.js"
import * as lists from "../src/internal/commands/lists.js"
import * as manifests from "../src/internal/commands/manifests.js"
import * as uploads from "../src/internal/commands/uploads.js"
import { Database } from "../src/internal/database.js"
import type { Template } from "../src/internal/database.js"
import * as pglite from "./pglite.js"
import { temporaryFolder } from "./temporary.js"

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
  blobs.make(db)
  manifests.make(db)
  lists.make(db)
  uploads.make(db)
  collector.make(db, { eventsKept: 1 })
  return templates
}

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

  it.scoped("are valid in PostgreSQL", () =>
    Effect.gen(function*() {
      const database = yield* Effect.acquireRelease(
        Effect.promise(() => PGlite.create()),
        (opened) => Effect.promise(() => opened.close())
      )
      const batch = pglite.make(database)
      yield* Effect.provideService(SqlMetadataStore.make(), SqlBatch.SqlBatch, batch)
      for (const { sql } of statementsFor(batch)) {
        const problem = yield* Effect.promise(() => database.describeQuery(sql).then(() => undefined, String))
        assert.isUndefined(problem, sql)
      }
    }), 60_000)
})
