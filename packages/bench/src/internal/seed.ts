import { Manifest, MediaType, RepositoryName, Tag } from "@effect-oci/core"
import { SqlBatch, SqlMetadataStore } from "@effect-oci/store-sql"
import * as Sqlite from "@effect-oci/store-sql/Sqlite"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { writeFileSync } from "node:fs"
import { mkdir } from "node:fs/promises"
import { join } from "node:path"
import * as curl from "./curl.js"
import type { Target } from "./load.js"

/** The number of files in a directory of blobs. */
const capacity = 4096

const repository = RepositoryName.make("team/app")
const tag = Tag.make("v1")

const manifest = new TextEncoder().encode(JSON.stringify({ schemaVersion: 2, mediaType: MediaType.image }))

/** The path, the type and the content of the manifest that a seeded directory has. */
export const seeded: Omit<Target, "authority"> = {
  path: `/v2/${repository}/manifests/${tag}`,
  accept: MediaType.image,
  body: manifest
}

/** Returns the key of a blob that was created at a time. */
const keyOf = (time: number) => {
  const hex = time.toString(16).padStart(12, "0")
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`
}

const blobs = `WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?1)
  INSERT INTO blob (digest, size, key, created_at)
  SELECT CAST(x'03' || randomblob(32) AS BLOB), 1024,
    printf('%08x-%04x-7000-8000-000000000000', (?2 + i) >> 16, (?2 + i) & 65535), ?2 + i FROM n`

const memberships =
  `INSERT INTO repo_blob (repo_id, digest, leased_until) SELECT repo.id, blob.digest, 0 FROM blob, repo`

const reviews = `INSERT INTO review (kind, repo_id, digest, released_at)
  SELECT 'blob', repo.id, blob.digest, blob.created_at FROM blob, repo`

/** Options for {@link seed}. */
interface Options {
  /** The number of blobs. No manifest refers to them. One was created in each millisecond. */
  readonly count: number
  /** The age of the oldest blob, in milliseconds. */
  readonly age: number
  /** Whether the collector reviews the blobs. */
  readonly reviewed: boolean
  /** The number of the newest blobs that have a file. The others have a directory only. */
  readonly files: number
}

/**
 * Creates the directory of a registry with many blobs and one manifest: the rows by SQL in one transaction, the files
 * without syncs.
 */
export const seed = (directory: string, { age, count, files, reviewed }: Options) =>
  Effect.gen(function*() {
    const from = Date.now() - age
    const database = yield* Sqlite.make({ filename: join(directory, "metadata.db") })
    const metadata = yield* SqlMetadataStore.make().pipe(Effect.provideService(SqlBatch.SqlBatch, database))
    yield* metadata.putManifest({
      repository,
      manifest: Either.getOrThrow(Manifest.make({ mediaType: MediaType.image, bytes: manifest })),
      references: [],
      listedAs: undefined,
      tags: [tag],
      ifAbsent: false,
      ifMatch: undefined,
      keep: Duration.days(1)
    })
    const statement = (sql: string, ...params: ReadonlyArray<number>) => ({ sql, params, guard: false })
    yield* database.run([
      statement("PRAGMA cache_size = -524288"),
      statement(blobs, count, from),
      statement(memberships),
      ...(reviewed ? [statement(reviews)] : [])
    ])
    yield* Effect.promise(() => createFiles(join(directory, "blobs"), from, count, count - files))
    yield* curl.run("sync")
  }).pipe(Effect.scoped)

const createFiles = async (path: string, from: number, count: number, first: number) => {
  for (let start = 0; start < count; start += capacity) {
    const directory = join(path, start === 0 ? "0" : keyOf(from + start))
    await mkdir(directory, { recursive: true, mode: 0o700 })
    const indexes = Array.from({ length: Math.min(capacity, count - start) }, (_, index) => start + index)
    for (const index of indexes) {
      if (index >= first) writeFileSync(join(directory, keyOf(from + index)), new Uint8Array(1024))
    }
  }
}
