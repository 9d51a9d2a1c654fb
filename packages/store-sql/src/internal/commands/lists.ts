import * as Answer from "@effect-oci/core/Answer"
import { type Descriptor, octetStream } from "@effect-oci/core/Descriptor"
import type { Digest } from "@effect-oci/core/Digest"
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

const maxRows = 2 ** 31 - 1

/** Limits a page to a number that every database accepts. */
const limit = (n: number): number => Math.max(0, Math.min(maxRows, Math.floor(n)))

const afterText = (after: string | undefined): string => after ?? ""
const afterDigest = (after: Digest | undefined): Uint8Array =>
  after === undefined ? new Uint8Array(0) : digestCode.encode(after)

const descriptorOf = (row: Row, mediaType: unknown): Descriptor => ({
  mediaType: mediaType as string,
  digest: digestCode.decode(row["digest"] as Uint8Array),
  size: Number(row["size"])
})

const tagNameOf = (row: Row): Tag => row["name"] as Tag

const tagOf = (row: Row): MetadataStore.StoredTag => ({
  tag: row["name"] as Tag,
  digest: digestCode.decode(row["manifest"] as Uint8Array),
  updatedAt: Number(row["updated_at"])
})

const manifestOf = (row: Row): MetadataStore.StoredManifest => ({
  descriptor: descriptorOf(row, row["media_type"]),
  createdAt: Number(row["created_at"])
})

const blobOf = (row: Row): MetadataStore.StoredBlob => ({
  descriptor: descriptorOf(row, octetStream),
  key: row["key"] as BlobKey
})

const referrerOf = (row: Row): Descriptor => JSON.parse(row["listed_as"] as string) as Descriptor

const repositoryOf = (row: Row): RepositoryName => row["name"] as RepositoryName

/** The lists. The index of each list has the order of the page, so that a page costs the same wherever it begins. */
export const make = (db: Database): Pick<Service, Lists> => {
  const sql = queries(db)
  const page = <A>(template: Template, values: Values, decode: (row: Row) => A) =>
    Answer.map(db.read(template, values), (rows) => rows.map(decode))
  // A repository that exists continues to exist, so the page may be read after the repository was found.
  const within = <A>(
    template: Template,
    values: Values,
    decode: (row: Row) => A
  ): Effect.Effect<ReadonlyArray<A>, StoreError.RepositoryUnknown | StoreError.Failed> =>
    Effect.flatMap(
      Effect.suspend(() => db.read(sql.repository, values)),
      (found): Effect.Effect<ReadonlyArray<A>, StoreError.RepositoryUnknown | StoreError.Failed> =>
        found.length === 0 ? Effect.fail(new StoreError.RepositoryUnknown()) : page(template, values, decode)
    )
  return {
    listTags: (repository, after, n) =>
      within(sql.tagNames, { repository, after: afterText(after), n: limit(n) }, tagNameOf),
    inspectTags: (repository, after, n) =>
      within(sql.tags, { repository, after: afterText(after), n: limit(n) }, tagOf),
    inspectManifests: (repository, after, n) =>
      within(sql.manifests, { repository, after: afterDigest(after), n: limit(n) }, manifestOf),
    listReferrers: (repository, subject, artifactType, after, n) => {
      const values = { repository, subject: digestCode.encode(subject), after: afterDigest(after), n: limit(n) }
      return Effect.suspend(() =>
        artifactType === undefined
          ? page(sql.referrers, values, referrerOf)
          : page(sql.referrersOfType, { ...values, artifactType }, referrerOf)
      )
    },
    listRepositories: (after, n) =>
      Effect.suspend(() => page(sql.repositories, { after: afterText(after), n: limit(n) }, repositoryOf)),
    inspectBlobs: (after, n) =>
      Effect.suspend(() => page(sql.blobs, { after: afterDigest(after), n: limit(n) }, blobOf))
  }
}

const queries = (db: Database) => ({
  repository: db.statement(`SELECT 1 AS found FROM repo WHERE name = :repository`),
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
