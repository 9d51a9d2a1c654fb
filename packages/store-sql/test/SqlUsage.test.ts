import { RepositoryName } from "@effect-oci/core"
import { SqlBatch, SqlUsage } from "@effect-oci/store-sql"
import * as Sqlite from "@effect-oci/store-sql/Sqlite"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { join } from "node:path"
import { temporaryFolder } from "./temporary.js"
import { counting } from "./usage.js"

const sqlite = Effect.flatMap(temporaryFolder, (folder) => Sqlite.make({ filename: join(folder, "metadata.db") }))

describe("the usage of repositories in SQLite", () => {
  it.scoped("equals their content after any changes", () =>
    Effect.gen(function*() {
      const batch = yield* sqlite
      yield* counting([batch, batch], 200)
    }))

  it.scoped("is zero for a repository that does not exist", () =>
    Effect.gen(function*() {
      const usage = yield* Effect.provideService(SqlUsage.make, SqlBatch.SqlBatch, yield* sqlite)
      expect(yield* usage.ofRepository(RepositoryName.make("unknown"))).toEqual({ bytes: 0, manifests: 0, tags: 0 })
    }))
})
