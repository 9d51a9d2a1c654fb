import { RepositoryName } from "@effect-oci/core"
import { SqlBatch, SqlMetadataStore } from "@effect-oci/store-sql"
import * as Sqlite from "@effect-oci/store-sql/Sqlite"
import { BlobKey } from "@effect-oci/store/BlobStore"
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { join } from "node:path"
import { temporaryFolder } from "./temporary.js"

const hour = Duration.hours(1)
const limits = { total: 10, perCaller: 10, perRepository: 10 }

/** Returns whether a claim of an upload session may be lost when the database loses its power. */
const isClaimRelaxed = (clock: SqlBatch.Service["clock"]) =>
  Effect.gen(function*() {
    const sqlite = yield* Sqlite.make({ filename: join(yield* temporaryFolder, "metadata.db") })
    let relaxed: boolean | undefined
    const batch: SqlBatch.Service = {
      ...sqlite,
      clock,
      run: (statements, options) => {
        relaxed = options?.relaxed === true
        return sqlite.run(statements, options)
      }
    }
    const store = yield* Effect.provideService(SqlMetadataStore.make(), SqlBatch.SqlBatch, batch)
    yield* store.createUpload(
      {
        id: "upload",
        repository: RepositoryName.make("team/app"),
        owner: undefined,
        caller: "anonymous",
        key: BlobKey("key"),
        algorithm: "sha256"
      },
      hour,
      limits
    )
    expect((yield* store.claimUpload("upload", hour)).fence).toBe(1)
    return relaxed
  })

describe("a claim of an upload session", () => {
  it.scoped("survives a crash of a shared database, so that no two nodes have the same fence", () =>
    Effect.gen(function*() {
      expect(yield* isClaimRelaxed("database")).toBe(false)
      expect(yield* isClaimRelaxed("process")).toBe(true)
    }))
})
