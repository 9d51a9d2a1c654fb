import { SqlBatch, SqlMetadataStore } from "@effect-oci/store-sql"
import * as Sqlite from "@effect-oci/store-sql/Sqlite"
import { UploadToken } from "@effect-oci/store/BlobStore"
import type * as MetadataStore from "@effect-oci/store/MetadataStore"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, TestClock } from "effect"
import { join } from "node:path"
import { digestOf, keep, limits, link, other, push, repository, upload, v1 } from "./content.js"
import { temporaryFolder } from "./temporary.js"

const tables = [
  "repo",
  "blob",
  "repo_blob",
  "discarded_blob",
  "manifest",
  "reference",
  "tag",
  "upload",
  "review",
  "garbage",
  "counter"
]

/** A store in which the statement with the index `failAt` of a batch fails. */
const failing = Effect.gen(function*() {
  const folder = yield* temporaryFolder
  const batch = yield* Sqlite.make({ filename: join(folder, "metadata.db") })
  const state = { failAt: -1 }
  const failingBatch: SqlBatch.Service = {
    ...batch,
    run: (statements, options) => {
      const broken = { sql: "SELECT json_extract('{}', 'broken')", params: [], guard: false }
      return batch.run(statements.map((statement, index) => index === state.failAt ? broken : statement), options)
    }
  }
  const store = yield* Effect.provideService(SqlMetadataStore.make(), SqlBatch.SqlBatch, failingBatch)
  const content = Effect.map(
    Effect.forEach([...tables, "event"], (table) =>
      batch.read({
        sql: `SELECT ${table === "event" ? "id, kind, repo_id, digest, tag" : "*"} FROM ${table} ORDER BY 1, 2${
          table === "discarded_blob" ? "" : ", 3"
        }`,
        params: [],
        guard: false
      })),
    (rows) => JSON.stringify(rows, (_, value: unknown) => value instanceof Uint8Array ? Array.from(value) : value)
  )
  return { content, state, store }
})

type Command = (store: MetadataStore.Service) => Effect.Effect<unknown, unknown>

const lives = Duration.minutes(10)
const manifest = push("index", ["a", "b"]).manifest.descriptor.digest

/** A history that runs every command that writes, with the passage of time. */
const history: ReadonlyArray<readonly [name: string, Command | Effect.Effect<void>]> = [
  ["linkBlob", (store) => store.linkBlob(link("a"))],
  ["createUpload", (store) => store.createUpload(upload("u"), lives, limits)],
  ["claimUpload", (store) => store.claimUpload("u", lives)],
  [
    "advanceUpload",
    (store) =>
      store.advanceUpload({ id: "u", fence: 1, from: 0, to: 3, token: UploadToken("t"), digest: digestOf("b"), lives })
  ],
  ["linkBlob of an upload", (store) => store.linkBlob({ ...link("b"), upload: { id: "u", fence: 1 } })],
  ["linkBlob of other bytes", (store) => store.linkBlob({ ...link("b"), key: link("c").key })],
  ["mount", (store) => store.mount({ repository: other, digest: digestOf("a"), from: repository, keep })],
  ["putManifest", (store) => store.putManifest(push("index", ["a", "b"]))],
  ["putManifest that moves a tag", (store) => store.putManifest(push("second", ["a"]))],
  ["deleteTag", (store) => store.deleteTag(repository, v1)],
  ["deleteManifest", (store) => store.deleteManifest(repository, manifest, false)],
  [
    "unlinkBlob",
    (store) => store.unlinkBlob({ repository: other, digest: digestOf("a"), evenIfReferenced: false, readable: lives })
  ],
  ["discardBlob", (store) => store.discardBlob({ digest: digestOf("a"), key: link("a").key, readable: lives })],
  ["linkBlob of a discarded blob", (store) => store.linkBlob({ ...link("a"), key: link("d").key })],
  ["createUpload beyond a limit", (store) => store.createUpload(upload("v"), lives, { ...limits, total: 1 })],
  ["createUpload that ends another", (store) => store.createUpload(upload("w"), lives, { ...limits, total: 1 })],
  ["endUpload", (store) => store.endUpload("w")],
  ["createUpload that expires", (store) => store.createUpload(upload("x"), lives, limits)],
  ["a day", TestClock.adjust("1 day")],
  ["expireUploads", (store) => store.expireUploads(10)],
  ["review", (store) => store.review({ untagged: "delete", grace: lives, readable: lives }, 10)],
  ["an hour", TestClock.adjust("1 hour")],
  ["review of what was released", (store) => store.review({ untagged: "delete", grace: lives, readable: lives }, 10)],
  ["claimGarbage", (store) => store.claimGarbage(1, lives)],
  ["forgetGarbage", (store) => store.forgetGarbage([link("c").key])],
  ["resolveManifest", (store) => store.resolveManifest(repository, manifest, Duration.days(3))],
  ["findBlob", (store) => store.findBlob(repository, digestOf("b"), Duration.days(3))]
]

describe("a statement that fails", () => {
  it.scoped(
    "undoes its command, whichever statement it is; the command succeeds when it is run again",
    () =>
      Effect.gen(function*() {
        const { content, state, store } = yield* failing
        const clean = yield* failing
        let failures = 0
        for (const [name, command] of history) {
          if (Effect.isEffect(command)) {
            yield* command
            continue
          }
          const expected = yield* Effect.exit(command(clean.store))
          for (let k = 0;; k++) {
            const before = yield* content
            state.failAt = k
            const exit = yield* Effect.exit(command(store))
            // No statement failed: the batch has fewer, or a guard before the statement refused the batch.
            if (JSON.stringify(exit) === JSON.stringify(expected)) break
            failures++
            assert(Exit.isFailure(exit) && exit.cause._tag === "Fail", `${name}, statement ${k}`)
            assert.strictEqual((exit.cause.error as { _tag: string })._tag, "OciStoreFailed", `${name}, statement ${k}`)
            assert.strictEqual(yield* content, before, `${name}, statement ${k}`)
          }
          assert.strictEqual(yield* content, yield* clean.content, name)
        }
        assert(failures > 100, String(failures))
      }),
    120_000
  )
})
