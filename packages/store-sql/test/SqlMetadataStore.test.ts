import { MetadataStoreSuite } from "@effect-oci/conformance"
import { SqlBatch, SqlMetadataStore } from "@effect-oci/store-sql"
import * as Sqlite from "@effect-oci/store-sql/Sqlite"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { join } from "node:path"
import { push, repository, v1 } from "./content.js"
import { temporaryFolder } from "./temporary.js"

const sqlite = Effect.map(
  temporaryFolder,
  (folder) =>
    SqlMetadataStore.layer().pipe(Layer.provide(Sqlite.layer({ filename: join(folder, "metadata.db") })), Layer.orDie)
)

describe("the metadata store in SQLite", () => {
  for (const { name, run } of MetadataStoreSuite.all) {
    it.scoped(name, () => run({ make: sqlite, durable: true }))
  }

  it.scopedLive("inspectManifest returns what the database has now, also after a read", () =>
    Effect.gen(function*() {
      const batch = yield* Sqlite.make({ filename: join(yield* temporaryFolder, "metadata.db") })
      const open = Effect.provideService(SqlMetadataStore.make(), SqlBatch.SqlBatch, batch)
      const store = yield* open
      const put = push("a", [])
      const { descriptor: { digest } } = put.manifest
      yield* store.putManifest(put)
      yield* store.getManifest(repository, v1)
      const corrupt = new Uint8Array([1, 2, 3])
      yield* batch.run([{ sql: "UPDATE manifest SET payload = ?1", params: [corrupt], guard: false }])
      expect(yield* store.inspectManifest(repository, digest)).toEqual(corrupt)
      const later = yield* open
      expect(yield* Effect.flip(later.getManifest(repository, v1))).toMatchObject({ _tag: "OciStoreFailed" })
    }))
})
