import { MetadataStoreSuite } from "@effect-oci/conformance"
import { SqlMetadataStore } from "@effect-oci/store-sql"
import * as Sqlite from "@effect-oci/store-sql/Sqlite"
import { describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { join } from "node:path"
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
})
