/** Any pair of stores is the store of a registry. */
import { StoreSuite } from "@effect-oci/conformance"
import { Durable } from "@effect-oci/durable"
import { Memory } from "@effect-oci/store"
import { NodeBlobStore } from "@effect-oci/store-files"
import { SqlMetadataStore } from "@effect-oci/store-sql"
import * as Sqlite from "@effect-oci/store-sql/Sqlite"
import { describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** Creates a directory that is removed at the end of the scope. */
const temporary = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "durable-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const files = (directory: string) => NodeBlobStore.layer({ directory })
const sqlite = (directory: string) =>
  Layer.provide(SqlMetadataStore.layer(), Sqlite.layer({ filename: join(directory, "metadata.db") }))

const pairs = {
  "files and SQLite": { durable: true, make: Effect.map(temporary, (directory) => Durable.layerStores({ directory })) },
  "files and memory": {
    durable: false,
    make: Effect.map(temporary, (directory) => Layer.merge(files(directory), Memory.layerMetadataStore()))
  },
  "memory and SQLite": {
    durable: false,
    make: Effect.map(temporary, (directory) => Layer.merge(Memory.layerBlobStore(), sqlite(directory)))
  }
}

describe.each(Object.entries(pairs))("a registry over %s", (_, pair) => {
  const checks = pair.durable ? StoreSuite.all : StoreSuite.all.filter(({ name }) => !/prevented|call fails/.test(name))
  for (const { name, run } of checks) it.effect(name, () => run(pair), 120_000)
})
