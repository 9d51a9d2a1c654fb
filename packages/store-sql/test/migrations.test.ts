import { SqlBatch, SqlMetadataStore } from "@effect-oci/store-sql"
import * as Sqlite from "@effect-oci/store-sql/Sqlite"
import * as NodeSql from "@effect-oci/testing/NodeSql"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Scope } from "effect"
import { join } from "node:path"
import { link, push, repository, v1 } from "./content.js"
import { temporaryFolder } from "./temporary.js"

const postgres = NodeSql.postgres()
afterAll(postgres.close)

const databases: { readonly [name: string]: Effect.Effect<SqlBatch.Service, never, Scope.Scope> } = {
  SQLite: Effect.flatMap(temporaryFolder, (folder) => Sqlite.make({ filename: join(folder, "metadata.db") })).pipe(
    Effect.orDie
  ),
  PostgreSQL: postgres.batch
}

const open = (batch: SqlBatch.Service) => Effect.provideService(SqlMetadataStore.make(), SqlBatch.SqlBatch, batch)

/** Changes the schema as a newer version of the library would. */
const upgrade = (
  batch: SqlBatch.Service,
  version: number,
  change: string,
  by?: { readonly readable: number; readonly writable: number }
) =>
  batch.run([
    change,
    `INSERT INTO migration (version, applied_at) VALUES (${version}, 0)`,
    ...(by === undefined ? [] : [`INSERT INTO compatibility VALUES (${version}, ${by.readable}, ${by.writable})`])
  ].map((sql) => ({ sql, params: [], guard: false })))

const versionOf = (batch: SqlBatch.Service) =>
  Effect.map(
    batch.read({ sql: "SELECT MAX(version) AS version FROM migration", params: [], guard: false }),
    ([row]) => Number(row!["version"])
  )

describe.each(Object.entries(databases))("the schema in %s", (_, database) => {
  it.scoped("is created once by many nodes that start at once", () =>
    Effect.gen(function*() {
      const batch = yield* database
      const stores = yield* Effect.all(Array.from({ length: 6 }, () => open(batch)), { concurrency: "unbounded" })
      for (const store of stores) yield* store.linkBlob(link("a"))
    }))

  it.scoped("of a newer version is used by older programs that it allows, also while they run", () =>
    Effect.gen(function*() {
      const batch = yield* database
      const running = yield* open(batch)
      yield* running.linkBlob(link("a"))
      yield* running.putManifest(push("first", ["a"]))
      const known = yield* versionOf(batch)
      yield* upgrade(batch, known + 1, "ALTER TABLE tag ADD COLUMN note TEXT", { readable: 1, writable: known })

      yield* running.linkBlob(link("b"))
      yield* running.putManifest(push("second", ["a", "b"]))
      assert.deepStrictEqual(yield* running.listTags(repository, undefined, 10), [v1])
      const started = yield* open(batch)
      yield* started.putManifest(push("third", ["a", "b"]))
      assert.strictEqual((yield* running.getManifest(repository, v1)).bytes.byteLength, 16)
    }))

  it.scoped("of a newer version refuses older programs that it does not allow to write, and lets them read", () =>
    Effect.gen(function*() {
      const batch = yield* database
      yield* open(batch)
      const known = yield* versionOf(batch)
      yield* upgrade(batch, known + 1, "ALTER TABLE tag ADD COLUMN note TEXT", { readable: known, writable: known })
      yield* upgrade(batch, known + 2, "SELECT 1", { readable: known, writable: known + 2 })
      const error = yield* Effect.flip(open(batch))
      assert(error._tag === "OciSchemaTooNew")
      assert.include(
        error.message,
        `its schema has version ${known + 2}, and this program knows versions up to ${known};`
      )
      yield* open({ ...batch, readOnly: true })

      yield* upgrade(batch, known + 3, "SELECT 1")
      assert.strictEqual((yield* Effect.flip(open({ ...batch, readOnly: true })))._tag, "OciSchemaTooNew")
    }))
})
