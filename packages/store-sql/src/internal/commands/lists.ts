import * as Answer from "@effect-oci/core/Answer"
import { type Descriptor, octetStream } from "@effect-oci/core/Descriptor"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import type { Tag } from "@effect-oci/core/Tag"
import type { BlobKey } from "@effect-oci/store/BlobStore"
import type * as MetadataStore from "@effect-oci/store/MetadataStore"
import * as StoreError from "@effect-oci/store/StoreError"
import * as Effect from "effect/Effect"
import type { Row } from "../../SqlBatch.js"
import { type Database, repoId, type Template, type Values } from "../database.js"
import * as digestCode from "../digestCode.js"

type Service = MetadataStore.Service
type Lists = "listTags" | "listReferrers" | "listRepositories" | "inspectTags" | "inspectManifests" | "inspectBlobs"

/** Comes before every name and every digest. */
const beforeAll = { text: "", digest: new Uint8Array(0) }

const maxRows = 2 ** 31 - 1

/** Limits a page to a number that every database accepts. */
const limit = (n: number): number => Math.max(0, Math.min(maxRows, Math.floor(n)))

/** The lists. The index of each list has the order of the page, so that a page costs the same wherever it begins. */
export const make = (db: Database): Pick<Service, Lists> => {
  // A repository that exists continues to exist, so the page may be read after the repository was found.
  const exists = db.statement(`SELECT 1 AS found FROM repo WHERE name = :repository`)
  const within = <A>(
    template: Template,
    values: Values & { readonly repository: RepositoryName },
    decode: (row: Row) => A
  ): Effect.Effect<ReadonlyArray<A>, StoreError.RepositoryUnknown | StoreError.Failed> =>
    Answer.flatMap(
      db.read(exists, values),
      (found): Effect.Effect<ReadonlyArray<A>, StoreError.RepositoryUnknown | StoreError.Failed> =>
        found.length === 0 ? Answer.fail(new StoreError.RepositoryUnknown()) : page(template, values, decode)
    )
  const page = <A>(template: Template, values: Values, decode: (row: Row) => A) =>
    Answer.map(db.read(template, values), (rows) => rows.map(decode))

  const templates = queries(db)
  return {
    listTags: (repository, after, n) =>
      Effect.suspend(() =>
        within(
          templates.tagNames,
          { repository, after: after ?? beforeAll.text, n: limit(n) },
          (row) => row["name"] as Tag
        )
      ),
    listReferrers: (repository, subject, artifactType, after, n) =>
      Effect.suspend(() =>
        page(
          artifactType === undefined ? templates.referrers : templates.referrersOfType,
          {
            repository,
            subject: digestCode.encode(subject),
            artifactType: artifactType ?? null,
            after: after === undefined ? beforeAll.digest : digestCode.encode(after),
            n: limit(n)
          },
          (row) => JSON.parse(row["listed_as"] as string) as Descriptor
        )
      ),
    listRepositories: (after, n) =>
      Effect.suspend(() =>
        page(
          templates.repositories,
          { after: after ?? beforeAll.text, n: limit(n) },
          (row) => row["name"] as RepositoryName
        )
      ),
    inspectTags: (repository, after, n) =>
      Effect.suspend(() =>
        within(templates.tags, { repository, after: after ?? beforeAll.text, n: limit(n) }, (row) => ({
          tag: row["name"] as Tag,
          digest: digestCode.decode(row["manifest"] as Uint8Array),
          updatedAt: Number(row["updated_at"])
        }))
      ),
    inspectManifests: (repository, after, n) =>
      Effect.suspend(() =>
        within(
          templates.manifests,
          { repository, after: after === undefined ? beforeAll.digest : digestCode.encode(after), n: limit(n) },
          (row) => ({
            descriptor: {
              mediaType: row["media_type"] as string,
              digest: digestCode.decode(row["digest"] as Uint8Array),
              size: Number(row["size"])
            },
            createdAt: Number(row["created_at"])
          })
        )
      ),
    inspectBlobs: (after, n) =>
      Effect.suspend(() =>
        page(
          templates.blobs,
          { after: after === undefined ? beforeAll.digest : digestCode.encode(after), n: limit(n) },
          (row) => ({
            descriptor: {
              mediaType: octetStream,
              digest: digestCode.decode(row["digest"] as Uint8Array),
              size: Number(row["size"])
            },
            key: row["key"] as BlobKey
          })
        )
      )
  }
}

const queries = (db: Database) => ({
  tagNames: db.statement(`SELECT name FROM tag WHERE repo_id = ${repoId} AND name > :after ORDER BY name LIMIT :n`),
  tags: db.statement(`SELECT name, manifest, updated_at FROM tag
    WHERE repo_id = ${repoId} AND name > :after ORDER BY name LIMIT :n`),
  referrers: db.statement(`SELECT listed_as FROM manifest
    WHERE repo_id = ${repoId} AND subject = :subject AND digest > :after ORDER BY digest LIMIT :n`),
  referrersOfType: db.statement(`SELECT listed_as FROM manifest
    WHERE repo_id = ${repoId} AND subject = :subject AND artifact_type = :artifactType AND digest > :after
    ORDER BY digest LIMIT :n`),
  repositories: db.statement(`SELECT name FROM repo WHERE name > :after ORDER BY name LIMIT :n`),
  manifests: db.statement(`SELECT digest, media_type, size, created_at FROM manifest
    WHERE repo_id = ${repoId} AND digest > :after ORDER BY digest LIMIT :n`),
  blobs: db.statement(`SELECT digest, size, key FROM blob WHERE digest > :after ORDER BY digest LIMIT :n`)
})
