import type { Algorithm } from "@effect-oci/core/Digest"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import { BlobKey, UploadToken } from "@effect-oci/store/BlobStore"
import type * as MetadataStore from "@effect-oci/store/MetadataStore"
import * as StoreError from "@effect-oci/store/StoreError"
import * as Effect from "effect/Effect"
import type { Row } from "../../SqlBatch.js"
import { type Database, lastRows, millis } from "../database.js"
import * as digestCode from "../digestCode.js"
import * as locks from "./locks.js"

type Service = MetadataStore.Service
type Commands = "createUpload" | "getUpload" | "claimUpload" | "advanceUpload" | "endUpload"

/**
 * A crash of the database may undo a command that begins or ends an upload session: its client then receives "unknown"
 * and starts again. The command that makes a blob of the session is not relaxed.
 */
const relaxed = { relaxed: true }

/**
 * A crash of a database in this process ends the process too, and with it the connections of all clients. Nodes and
 * clients outlive a crash of a shared database. So no two nodes may then have a claim with the same fence, and an offset
 * that a client knows must not go back: the client continues after it, mostly without saying where.
 */
const continuing = ({ isShared }: Database) => isShared ? {} : relaxed

/** The token of a session without an upload in the blob store. */
const unopened = ""

const uploadOf = (row: Row): MetadataStore.Upload => ({
  id: row["id"] as string,
  repository: row["repository"] as RepositoryName,
  owner: row["owner"] as string | null ?? undefined,
  caller: row["caller"] as string,
  key: BlobKey(row["key"] as string),
  token: row["token"] === unopened ? undefined : UploadToken(row["token"] as string),
  algorithm: row["algorithm"] as Algorithm,
  offset: Number(row["received"]),
  digest: row["digest"] === null ? undefined : digestCode.decode(row["digest"] as Uint8Array),
  fence: Number(row["fence"])
})

const first = ([row]: ReadonlyArray<Row>): Effect.Effect<MetadataStore.Upload, StoreError.UploadUnknown> =>
  row === undefined ? Effect.fail(new StoreError.UploadUnknown()) : Effect.succeed(uploadOf(row))

const columns = "id, repository, owner, caller, key, token, algorithm, received, digest, fence"
const unexpired = "id = :id AND expires_at > :now"
const absent = "NOT EXISTS (SELECT 1 FROM upload WHERE id = :id)"

/**
 * Makes room in a group of sessions: ends its oldest session whose client has not begun to send content, or refuses the
 * batch if there is none. Does nothing if the group has room, or if the session exists.
 */
const makeRoom = (db: Database, group: string, limit: string) => {
  const isFull = `(SELECT COUNT(*) FROM (SELECT 1 FROM upload WHERE ${group} LIMIT ${limit}) AS open) >= ${limit}
    AND ${absent}`
  const unclaimed = `SELECT seq FROM upload WHERE ${group} AND fence = 0 ORDER BY seq LIMIT 1`
  const oldest = `SELECT seq FROM upload WHERE ${group} AND fence = 0 ORDER BY seq LIMIT 1 ${db.dialect.skipLocked}`
  return [
    db.guard(`SELECT 'TooManyUploads' AS refusal, NULL AS value WHERE ${isFull} AND NOT EXISTS (${unclaimed})`),
    ...db.dialect.endUploads(`seq = (${oldest}) AND ${isFull}`).map((text) => db.statement(text))
  ]
}

const createUpload = (db: Database): Service["createUpload"] => {
  const statements = [
    ...makeRoom(db, "caller = :caller", ":perCaller"),
    ...makeRoom(db, "repository = :repository", ":perRepository"),
    ...makeRoom(db, "true", ":total"),
    db.statement(`INSERT INTO upload (id, repository, owner, caller, key, token, algorithm, received, digest, fence,
        expires_at)
      VALUES (:id, :repository, :owner, :caller, :key, '${unopened}', :algorithm, 0, NULL, 0, :now + :lives)
      ON CONFLICT (id) DO NOTHING`)
  ]
  const refusals = { TooManyUploads: () => new StoreError.TooManyUploads() }
  return ({ algorithm, caller, id, key, owner, repository }, lives, { perCaller, perRepository, total }) =>
    Effect.asVoid(db.run(
      statements,
      {
        id,
        repository,
        owner: owner ?? null,
        caller,
        key,
        algorithm,
        lives: millis(lives),
        perCaller: atMost(perCaller),
        perRepository: atMost(perRepository),
        total: atMost(total)
      },
      refusals,
      relaxed
    ))
}

/** A limit may be infinite. */
const atMost = (limit: number): number => Math.max(0, Math.min(2 ** 31 - 1, Math.ceil(limit)))

const advanceUpload = (db: Database): Service["advanceUpload"] => {
  const statements = [
    ...locks.make(db).session,
    db.guard(`SELECT 'UploadUnknown' AS refusal, NULL AS value
      WHERE NOT EXISTS (SELECT 1 FROM upload WHERE ${unexpired})`),
    db.guard(`SELECT 'Stale' AS refusal, NULL AS value FROM upload WHERE id = :id AND fence <> :fence`),
    db.guard(`SELECT 'OffsetMismatch' AS refusal, CAST(received AS TEXT) AS value FROM upload
      WHERE id = :id AND received <> :from AND NOT (received = :to AND token = :token)`),
    db.statement(`UPDATE upload SET received = :to, token = :token, digest = :digest, expires_at = :now + :lives
      WHERE id = :id`)
  ]
  const refusals = {
    UploadUnknown: () => new StoreError.UploadUnknown(),
    Stale: () => new StoreError.Stale(),
    OffsetMismatch: ([offset]: ReadonlyArray<string | null>) =>
      new StoreError.OffsetMismatch({ offset: Number(offset) })
  }
  return ({ digest, fence, from, id, lives, to, token }) =>
    Effect.asVoid(db.run<StoreError.UploadUnknown | StoreError.Stale | StoreError.OffsetMismatch>(
      statements,
      {
        id,
        fence,
        from,
        to,
        token: token ?? unopened,
        digest: digest === undefined ? null : digestCode.encode(digest),
        lives: millis(lives)
      },
      refusals,
      continuing(db)
    ))
}

/** The commands for upload sessions. */
export const make = (db: Database): Pick<Service, Commands> => {
  const get = db.statement(`SELECT ${columns} FROM upload WHERE ${unexpired}`)
  const claim = db.statement(`UPDATE upload SET fence = fence + 1, expires_at = :now + :lives WHERE ${unexpired}
    RETURNING ${columns}`)
  const end = [
    ...locks.make(db).session,
    db.guard(`SELECT 'UploadUnknown' AS refusal, NULL AS value
      WHERE NOT EXISTS (SELECT 1 FROM upload WHERE ${unexpired})`),
    ...db.dialect.endUploads("id = :id").map((text) => db.statement(text))
  ]
  return {
    createUpload: createUpload(db),
    getUpload: (id) => Effect.flatMap(db.read(get, { id }), first),
    claimUpload: (id, lives) =>
      Effect.flatMap(lastRows(db.run([claim], { id, lives: millis(lives) }, {}, continuing(db))), first),
    advanceUpload: advanceUpload(db),
    endUpload: (id) =>
      Effect.asVoid(db.run(end, { id }, { UploadUnknown: () => new StoreError.UploadUnknown() }, relaxed))
  }
}
