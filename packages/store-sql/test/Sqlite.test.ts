import { SqlBatch, SqlMetadataStore } from "@effect-oci/store-sql"
import * as Sqlite from "@effect-oci/store-sql/Sqlite"
import { assert, describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Either, Exit, Metric, Runtime } from "effect"
import * as fc from "fast-check"
import {
  closeSync,
  copyFileSync,
  openSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync
} from "node:fs"
import { join } from "node:path"
import { keep, link, push, repository, v1 } from "./content.js"
import { temporaryFolder } from "./temporary.js"

const filename = Effect.map(temporaryFolder, (folder) => join(folder, "metadata.db"))

const select = (...params: ReadonlyArray<unknown>): SqlBatch.Statement => ({
  sql: "SELECT ?1 AS value",
  params: params as ReadonlyArray<SqlBatch.Param>,
  guard: false
})

const openStore = (file: string) =>
  Effect.flatMap(
    Sqlite.make({ filename: file }),
    (batch) => Effect.provideService(SqlMetadataStore.make(), SqlBatch.SqlBatch, batch)
  )

/** A database of a few hundred pages that was closed. */
const filled = Effect.gen(function*() {
  const file = yield* filename
  yield* Effect.scoped(Effect.gen(function*() {
    const store = yield* openStore(file)
    yield* store.linkBlob(link("a"))
    for (let index = 0; index < 20; index++) {
      yield* store.putManifest(push(`${index}${"x".repeat(50_000)}`, ["a"]))
    }
  }))
  return file
})

const openError = (file: string) => Effect.flip(Effect.scoped(openStore(file)))

describe("Sqlite", () => {
  it.scopedLive("accepts text, finite numbers, bytes and null as parameters, and no other value", () =>
    Effect.gen(function*() {
      const batch = yield* Sqlite.make({ filename: yield* filename })
      const valid = fc.oneof(
        fc.string({ unit: "binary" }),
        fc.integer(),
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        fc.uint8Array(),
        fc.uint8Array({ minLength: 4 }).map((bytes) => bytes.subarray(1, 3)),
        fc.uint8Array().map((bytes) => Buffer.from(bytes)),
        fc.constant(null)
      )
      const invalid = fc.oneof(
        fc.boolean(),
        fc.constantFrom(undefined, NaN, Infinity, -Infinity, new Map(), new ArrayBuffer(2), new Uint16Array(2)),
        fc.bigInt(),
        fc.array(fc.integer()),
        fc.dictionary(fc.string(), fc.integer()),
        fc.string().map(Symbol),
        fc.func(fc.integer())
      )
      const both = (statement: SqlBatch.Statement) =>
        Effect.all([
          Effect.exit(batch.read(statement)),
          Effect.exit(Effect.map(batch.run([statement]), ([rows]) => rows))
        ])
      const run = Runtime.runPromise(yield* Effect.runtime<never>())
      yield* Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(valid, async (value) => {
            for (const exit of await run(both(select(value)))) {
              assert(Exit.isSuccess(exit))
              const returned = exit.value?.[0]?.["value"]
              if (value instanceof Uint8Array) {
                assert.deepStrictEqual(Array.from(returned as Uint8Array), Array.from(value))
              } else if (typeof value === "string") assert.strictEqual(returned, value.replaceAll("\0", "\uFFFD"))
              else assert.strictEqual(returned, Object.is(value, -0) ? 0 : value)
            }
          }),
          { numRuns: 200 }
        )
      )
      yield* Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(invalid, async (value) => {
            for (const exit of await run(both(select(value)))) {
              assert(Exit.isFailure(exit) && Cause.isDie(exit.cause))
            }
          }),
          { numRuns: 200 }
        )
      )
      const holes = { ...select(), params: Object.assign([], { length: 1 }) }
      assert(Exit.isFailure(yield* Effect.exit(batch.run([holes]))))
    }))

  it.scopedLive("undoes only the batch that fails or is refused, of many at once", () =>
    Effect.gen(function*() {
      const batch = yield* Sqlite.make({ filename: yield* filename })
      const plain = (sql: string, ...params: ReadonlyArray<SqlBatch.Param>) => ({ sql, params, guard: false })
      yield* batch.run([plain("CREATE TABLE t (n INTEGER PRIMARY KEY) STRICT")])
      const insert = (n: number) => plain("INSERT INTO t VALUES (?1)", n)
      const outcomes = yield* Effect.forEach(
        Array.from({ length: 300 }, (_, n) => n),
        (n) =>
          Effect.either(batch.run([
            insert(n),
            n % 3 === 0
              ? { sql: "SELECT 'third' AS refusal, 'x' AS value", params: [], guard: true }
              : n % 3 === 1
              ? insert(n)
              : plain("SELECT 1")
          ])),
        { concurrency: "unbounded" }
      )
      const rows = yield* batch.read(plain("SELECT n FROM t ORDER BY n"))
      assert.deepStrictEqual(rows.map(({ n }) => n), Array.from({ length: 100 }, (_, n) => n * 3 + 2))
      outcomes.forEach((outcome, n) =>
        assert.strictEqual(
          Either.match(outcome, { onLeft: ({ _tag }) => _tag, onRight: () => "done" }),
          n % 3 === 0 ? "OciSqlRefused" : n % 3 === 1 ? "OciStoreFailed" : "done"
        )
      )
    }))

  it.scopedLive("shows how many batches wait, and none when all have ended", () =>
    Effect.gen(function*() {
      const batch = yield* Sqlite.make({ filename: yield* filename })
      const waiting = Metric.gauge("db.client.connection.pending_requests", {
        description: "Requests for a connection"
      }).pipe(Metric.tagged("db.client.connection.pool.name", "sqlite"))
      const run = Runtime.runPromise(yield* Effect.runtime())
      const writes = Array.from({ length: 20 }, () => run(batch.run([select("one")])))
      const shown = [yield* Metric.value(waiting)]
      yield* Effect.promise(() => Promise.all(writes))
      shown.push(yield* Metric.value(waiting))
      expect(shown.map(({ value }) => value)).toEqual([20, 0])
    }))

  it.scopedLive("keeps its log short while it is written", () =>
    Effect.gen(function*() {
      const file = yield* filename
      const store = yield* openStore(file)
      let longest = 0
      for (let index = 0; index < 300; index++) {
        yield* store.putManifest(push(`${index}${"x".repeat(100_000)}`, []))
        longest = Math.max(longest, statSync(`${file}-wal`).size)
      }
      expect(statSync(file).size + statSync(`${file}-wal`).size).toBeGreaterThan(30_000_000)
      expect(longest).toBeLessThan(8 * 1024 * 1024)
    }))

  it.scopedLive("refuses a file that is no database, is cut off or has a damaged page", () =>
    Effect.gen(function*() {
      const file = yield* filled
      const { size } = statSync(file)
      const damage: { readonly [name: string]: (copy: string) => void } = {
        "no database": (copy) => writeFileSync(copy, "this is a text file. ".repeat(1000)),
        "cut off": (copy) => truncateSync(copy, size - 8192),
        "cut in a page": (copy) => truncateSync(copy, size - 100),
        "a damaged page": (copy) => {
          const handle = openSync(copy, "r+")
          writeSync(handle, Buffer.alloc(4096, 0xff), 0, 4096, 4096 * 3)
          closeSync(handle)
        }
      }
      for (const [name, apply] of Object.entries(damage)) {
        const copy = `${file}.copy`
        copyFileSync(file, copy)
        apply(copy)
        const error = yield* openError(copy)
        assert(error._tag === "OciOpenFailed", name)
        assert.strictEqual(error.reason, "damaged", name)
        assert.include(error.message, `cannot open the database ${copy}: `)
        assert.include(error.message, "restore the file from a backup")
      }
      yield* Effect.scoped(openStore(file))
    }))

  it.scopedLive("fails with the reason if the folder does not exist", () =>
    Effect.gen(function*() {
      const error = yield* openError(join(yield* temporaryFolder, "no/such/folder/metadata.db"))
      assert(error._tag === "OciOpenFailed")
      assert.strictEqual(error.reason, "failed")
    }))

  it.scopedLive("refuses a database of a newer version", () =>
    Effect.gen(function*() {
      const file = yield* filled
      yield* Effect.scoped(Effect.flatMap(Sqlite.make({ filename: file }), (batch) =>
        batch.run([{ sql: "INSERT INTO migration VALUES (1000, 0)", params: [], guard: false }])))
      const error = yield* openError(file)
      assert(error._tag === "OciSchemaTooNew")
      assert.include(error.message, "its schema has version 1000, and this program knows versions up to")
    }))

  it.scopedLive("upgrades a database of the first version, and has its content", () =>
    Effect.gen(function*() {
      const file = yield* filename
      const statements = readFileSync(new URL("fixtures/version1.sql", import.meta.url), "utf8").split("\n;\n")
      yield* Effect.scoped(Effect.flatMap(Sqlite.make({ filename: file }), (batch) =>
        batch.run(statements.map((sql) => ({ sql, params: [], guard: false })))))
      const store = yield* openStore(file)
      const stored = push("fixture", ["a"], { listedAs: undefined })
      const found = yield* store.getManifest(repository, v1)
      assert.deepStrictEqual(found.descriptor, stored.manifest.descriptor)
      assert.deepStrictEqual(yield* store.listTags(repository, undefined, 10), [v1])
      assert.strictEqual((yield* store.findBlob(repository, link("a").digest))?.key, link("a").key)
      assert.strictEqual((yield* store.claimUpload("open", keep)).fence, 2)
      assert.deepStrictEqual(
        (yield* Effect.flip(store.unlinkBlob({
          repository,
          digest: link("a").digest,
          evenIfReferenced: false,
          readable: keep
        })))._tag,
        "OciStoreReferenced"
      )
      yield* store.deleteManifest(repository, stored.manifest.descriptor.digest, false)
    }))

  it.scopedLive("a folder has one lock", () =>
    Effect.gen(function*() {
      const folder = yield* temporaryFolder
      yield* Effect.scoped(Effect.gen(function*() {
        yield* Sqlite.lock(folder)
        const error = yield* Effect.flip(Effect.scoped(Sqlite.lock(folder)))
        assert.strictEqual(error.reason, "locked")
        assert.include(error.message, `cannot open the folder ${folder}: another process uses it`)
      }))
      yield* Effect.scoped(Sqlite.lock(folder))
    }))
})
