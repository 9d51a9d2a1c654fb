import * as Answer from "@effect-oci/core/Answer"
import { octetStream } from "@effect-oci/core/Descriptor"
import type { Digest } from "@effect-oci/core/Digest"
import type { BlobKey } from "@effect-oci/store/BlobStore"
import type * as MetadataStore from "@effect-oci/store/MetadataStore"
import * as StoreError from "@effect-oci/store/StoreError"
import * as Effect from "effect/Effect"
import type { Row } from "../../SqlBatch.js"
import { asFailed, type Database, lastRows, millis, repoId } from "../database.js"
import * as digestCode from "../digestCode.js"
import * as locks from "./locks.js"
import { addRepository, garbageOf, needsRenewal, releaseBytes, reviewBlob } from "./shared.js"

type Service = MetadataStore.Service

const storedBlob = (digest: Digest, row: Row): MetadataStore.StoredBlob => ({
  descriptor: { mediaType: octetStream, digest, size: Number(row["size"]) },
  key: row["key"] as BlobKey
})

/** Returns a blob of a repository. */
const findBlob = (db: Database): Service["findBlob"] => {
  const find = (columns: string) =>
    db.statement(`SELECT ${columns} FROM repo_blob m JOIN blob b ON b.digest = m.digest
      WHERE m.repo_id = ${repoId} AND m.digest = :digest`)
  const plain = find("b.size, b.key")
  const leased = find(`b.size, b.key, ${needsRenewal("m.leased_until")} AS renew`)
  const renew = db.statement(`UPDATE repo_blob SET leased_until = :now + :keep
    WHERE repo_id = ${repoId} AND digest = :digest AND leased_until < :now + :keep`)
  return (repository, digest, keep) => {
    const values = { repository, digest: digestCode.encode(digest) }
    const first = ([row]: ReadonlyArray<Row>) => row === undefined ? undefined : storedBlob(digest, row)
    if (keep === undefined) return Answer.map(db.read(plain, values), first)
    const withKeep = { ...values, keep: millis(keep) }
    return Answer.flatMap(db.read(leased, withKeep), ([row]) =>
      row === undefined || Number(row["renew"]) === 0
        ? Answer.succeed(first(row === undefined ? [] : [row]))
        : Answer.map(asFailed(lastRows(db.run([renew, plain], withKeep, {}))), first))
  }
}

/** The bytes are stored under another key, so that these are garbage. */
const addGarbage = `INSERT INTO garbage (key, token, due_at, released_at, size)
  SELECT :key, (SELECT NULLIF(token, '') FROM upload WHERE id = :upload), :now, :now, size FROM blob WHERE digest = :digest AND key <> :key
  ON CONFLICT (key) DO NOTHING`

/** Adds stored bytes to a repository as a blob. */
const linkBlob = (db: Database): Service["linkBlob"] => {
  const { addedBlob, endedSession } = locks.make(db)
  // The command may have taken effect before: then the repository has the blob, and the bytes are in it or garbage.
  const ended = db.guard(`SELECT CASE WHEN b.digest IS NULL THEN 'UploadUnknown' ELSE 'Linked' END AS refusal,
      NULL AS value
    FROM (SELECT 1 AS one) AS one
    LEFT JOIN upload u ON u.id = :upload AND u.expires_at > :now
    LEFT JOIN repo_blob m ON m.repo_id = ${repoId} AND m.digest = :digest
    LEFT JOIN blob b ON b.digest = m.digest
      AND (b.key = :key OR EXISTS (SELECT 1 FROM garbage WHERE key = :key))
    WHERE u.id IS NULL`)
  const stale = db.guard(`SELECT 'Stale' AS refusal, NULL AS value FROM upload WHERE id = :upload AND fence <> :fence`)
  const released = db.guard(`SELECT 'UploadUnknown' AS refusal, NULL AS value FROM garbage
    WHERE key = :key AND NOT EXISTS (SELECT 1 FROM blob WHERE digest = :digest)`)
  const found = db.statement(`SELECT size, key FROM blob WHERE digest = :digest`)
  const link = [
    released,
    addRepository(db),
    db.statement(`INSERT INTO blob (digest, size, key, created_at) VALUES (:digest, :size, :key, :now)
      ON CONFLICT (digest) DO NOTHING`),
    ...addedBlob,
    addMembership(db),
    db.statement(addGarbage),
    db.statement(`DELETE FROM upload WHERE id = :upload`),
    reviewBlob(db),
    found
  ]
  const refusals = {
    UploadUnknown: () => new StoreError.UploadUnknown(),
    Stale: () => new StoreError.Stale(),
    Linked: () => "Linked" as const
  }
  return ({ digest, keep, key, repository, size, upload }) => {
    const values = {
      repository,
      digest: digestCode.encode(digest),
      size,
      key,
      keep: millis(keep),
      upload: upload?.id ?? null,
      fence: upload?.fence ?? null
    }
    const statements = upload === undefined ? link : [...endedSession, ended, stale, ...link]
    const linked = db.run<StoreError.UploadUnknown | StoreError.Stale | "Linked">(statements, values, refusals)
    const rows = Effect.catchAll(
      lastRows(linked),
      (error) => error === "Linked" ? db.read(found, values) : Effect.fail(error)
    )
    return Effect.map(rows, ([row]) => storedBlob(digest, row!))
  }
}

const addMembership = (db: Database) =>
  db.statement(`INSERT INTO repo_blob (repo_id, digest, leased_until) VALUES (${repoId}, :digest, :now + :keep)
    ON CONFLICT (repo_id, digest) DO UPDATE SET leased_until =
      CASE WHEN excluded.leased_until > repo_blob.leased_until THEN excluded.leased_until
      ELSE repo_blob.leased_until END`)

/** Adds a blob of another repository to a repository. */
const mount = (db: Database): Service["mount"] => {
  const absent = (source: string) =>
    db.guard(`SELECT 'BlobUnknown' AS refusal, NULL AS value WHERE NOT EXISTS (${source})`)
  const absentAnywhere = absent(`SELECT 1 FROM blob WHERE digest = :digest`)
  const absentFrom = absent(`SELECT 1 FROM repo_blob
    WHERE repo_id = (SELECT id FROM repo WHERE name = :from) AND digest = :digest`)
  const link = [addRepository(db), addMembership(db), reviewBlob(db)]
  const { addedBlob } = locks.make(db)
  const refusals = { BlobUnknown: () => false as const }
  return ({ digest, from, keep, repository }) => {
    const values = { repository, digest: digestCode.encode(digest), from: from ?? null, keep: millis(keep) }
    const linked = db.run([...addedBlob, from === undefined ? absentAnywhere : absentFrom, ...link], values, refusals)
    return Answer.catchAll(
      Answer.map(linked, () => true),
      (error) => error === false ? Answer.succeed(false) : Answer.fail(error)
    )
  }
}

/** Removes a blob from a repository, and its bytes if no other repository has the blob. */
const unlinkBlob = (db: Database): Service["unlinkBlob"] => {
  const unknown = db.guard(`SELECT 'BlobUnknown' AS refusal, NULL AS value
    WHERE NOT EXISTS (SELECT 1 FROM repo_blob WHERE repo_id = ${repoId} AND digest = :digest)`)
  const referenced = db.guard(`SELECT 'Referenced' AS refusal, ${db.dialect.hex("manifest")} AS value FROM reference
    WHERE repo_id = ${repoId} AND digest = :digest AND kind IN ('blob', 'child') ORDER BY manifest LIMIT 1`)
  const { removedBlob } = locks.make(db)
  const unlink = [
    db.statement(`DELETE FROM repo_blob WHERE repo_id = ${repoId} AND digest = :digest`),
    ...releaseBytes("true").map((text) => db.statement(text))
  ]
  const refusals = {
    BlobUnknown: () => new StoreError.BlobUnknown(),
    Referenced: ([by]: ReadonlyArray<string | null>) => new StoreError.Referenced({ by: digestCode.decodeHex(by!) })
  }
  return ({ digest, evenIfReferenced, readable, repository }) => {
    const values = { repository, digest: digestCode.encode(digest), readable: millis(readable) }
    const statements = [...removedBlob, unknown, ...(evenIfReferenced ? [] : [referenced]), ...unlink]
    return Answer.map(
      db.run<StoreError.BlobUnknown | StoreError.Referenced>(statements, values, refusals),
      () => undefined
    )
  }
}

/**
 * Removes a blob from all repositories, and remembers them. A trigger adds the blob to them again when it is linked
 * again.
 */
const discardBlob = (db: Database): Service["discardBlob"] => {
  const discarded = `blob WHERE digest = :digest AND key = :key`
  const discard = [
    garbageOf(discarded),
    `INSERT INTO discarded_blob (digest, repo_id) SELECT digest, repo_id FROM repo_blob
      WHERE digest = (SELECT digest FROM ${discarded}) ON CONFLICT (digest, repo_id) DO NOTHING`,
    `DELETE FROM repo_blob WHERE digest = (SELECT digest FROM ${discarded})`,
    `DELETE FROM ${discarded}`
  ]
  const statements = [...locks.make(db).discardedBlob, ...discard.map((text) => db.statement(text))]
  return ({ digest, key, readable }) =>
    Effect.asVoid(db.run(statements, { digest: digestCode.encode(digest), key, readable: millis(readable) }, {}))
}

type Commands = "findBlob" | "linkBlob" | "mount" | "unlinkBlob" | "discardBlob"

/** The commands for blobs. */
export const make = (db: Database): Pick<Service, Commands> => ({
  findBlob: findBlob(db),
  linkBlob: linkBlob(db),
  mount: mount(db),
  unlinkBlob: unlinkBlob(db),
  discardBlob: discardBlob(db)
})
