import * as Answer from "@effect-oci/core/Answer"
import type { Descriptor } from "@effect-oci/core/Descriptor"
import * as Digest from "@effect-oci/core/Digest"
import { LruMap } from "@effect-oci/core/LruMap"
import * as Manifest from "@effect-oci/core/Manifest"
import * as Operation from "@effect-oci/core/Operation"
import type * as MetadataStore from "@effect-oci/store/MetadataStore"
import * as StoreError from "@effect-oci/store/StoreError"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { Row } from "../../SqlBatch.js"
import { asFailed, type Database, lastRows, millis, repoId, type Template } from "../database.js"
import * as digestCode from "../digestCode.js"
import * as locks from "./locks.js"
import * as payload from "./payload.js"
import {
  addRepository,
  needsRenewal,
  repositoryUnknown,
  reviewManifest,
  scheduleReleased,
  scheduleReviews
} from "./shared.js"

type Service = MetadataStore.Service
type Unknown = StoreError.RepositoryUnknown | StoreError.ManifestUnknown
type Values = ReadonlyArray<string | null>

const descriptorOf = (row: Row): Descriptor => ({
  mediaType: row["media_type"] as string,
  digest: digestCode.decode(row["digest"] as Uint8Array),
  size: Number(row["size"])
})

/** The queries for a manifest by its digest and by a tag. A repository without the manifest has a row of nulls. */
const findBy = (db: Database, columns: string) => ({
  digest: db.statement(`SELECT ${columns} FROM repo r
    LEFT JOIN manifest m ON m.repo_id = r.id AND m.digest = :reference WHERE r.name = :repository`),
  tag: db.statement(`SELECT ${columns} FROM repo r
    LEFT JOIN tag t ON t.repo_id = r.id AND t.name = :reference
    LEFT JOIN manifest m ON m.repo_id = r.id AND m.digest = t.manifest WHERE r.name = :repository`)
})

const findValues = (repository: string, reference: Operation.TagOrDigest) => ({
  repository,
  reference: Operation.isDigest(reference) ? digestCode.encode(reference) : reference
})

/** Continues with the row of a manifest. */
const found = <A, E>(
  [row]: ReadonlyArray<Row>,
  f: (row: Row) => Effect.Effect<A, E>
): Effect.Effect<A, E | Unknown> =>
  row === undefined
    ? Answer.fail(new StoreError.RepositoryUnknown())
    : row["media_type"] === null
    ? Answer.fail(new StoreError.ManifestUnknown())
    : f(row)

/** Verifies the bytes of a manifest. After a restart, the algorithm of its digest may have to be loaded first. */
const manifestOf = (row: Row, bytes: Uint8Array): Effect.Effect<Manifest.Manifest, StoreError.Failed> => {
  const digest = digestCode.decode(row["digest"] as Uint8Array)
  return Answer.flatMap(Digest.load(digest), () => {
    const manifest = Manifest.make({ mediaType: row["media_type"] as string, bytes, digest })
    return Either.isRight(manifest)
      ? Answer.succeed(manifest.right)
      : Answer.fail(new StoreError.Failed({ cause: manifest.left }))
  })
}

/** A manifest that was read before, and the code of its digest. */
interface CachedManifest {
  readonly manifest: Manifest.Manifest
  readonly code: Uint8Array
}

/** The maximum size of the manifests that stay in memory, in bytes, and what an entry costs in addition. */
const maxCachedBytes = 16 * 1024 * 1024
const entryBytes = 512

/**
 * The database answers every read, so a read sees what other processes have written. But the database returns no bytes
 * if the reference still leads to the manifest of the last read, which is in memory and was verified.
 */
const getManifest = (db: Database): Service["getManifest"] => {
  const unlessKnown = (column: string) =>
    `CASE WHEN m.digest = :known AND m.media_type = :knownType THEN NULL ELSE m.${column} END AS ${column}`
  const find = findBy(db, `m.media_type, m.size, ${unlessKnown("digest")}, ${unlessKnown("payload")}`)
  const bytesOf = payload.reader(db)
  const cached = new LruMap<string, CachedManifest>(
    maxCachedBytes,
    ({ manifest }) => manifest.bytes.byteLength + entryBytes
  )
  return (repository, reference) => {
    const key = `${repository} ${reference}`
    const known = cached.get(key)
    const isDigest = Operation.isDigest(reference)
    const values = {
      repository,
      reference: isDigest ? known?.code ?? digestCode.encode(reference) : reference,
      known: known?.code ?? null,
      knownType: known?.manifest.descriptor.mediaType ?? null
    }
    return Answer.flatMap(db.read(isDigest ? find.digest : find.tag, values), (rows) =>
      found(rows, (row) => {
        const code = row["digest"] as Uint8Array | null
        if (known !== undefined && code === null) return Answer.succeed(known.manifest)
        const manifest = Answer.flatMap(bytesOf(repository, row), (bytes) => manifestOf(row, bytes))
        return Answer.map(manifest, (manifest) => {
          cached.set(key, { manifest, code: code! })
          return manifest
        })
      }))
  }
}

const inspectManifest = (db: Database): Service["inspectManifest"] => {
  const { digest: find } = findBy(db, "m.media_type, m.digest, m.size, m.payload")
  const bytesOf = payload.reader(db)
  return (repository, digest) =>
    Effect.flatMap(
      Effect.suspend(() => db.read(find, { repository, reference: digestCode.encode(digest) })),
      (rows) => found(rows, (row) => bytesOf(repository, row))
    )
}

const resolveManifest = (db: Database): Service["resolveManifest"] => {
  const columns = "m.digest, m.media_type, m.size"
  const plain = findBy(db, columns)
  const leased = findBy(db, `${columns}, ${needsRenewal("m.leased_until")} AS renew`)
  const renew = db.statement(`UPDATE manifest SET leased_until = :now + :keep
    WHERE repo_id = ${repoId} AND digest = :digest AND leased_until < :now + :keep`)
  const descriptor = (row: Row) => Answer.succeed(descriptorOf(row))
  return (repository, reference, keep) => {
    const by = Operation.isDigest(reference) ? "digest" : "tag"
    const values = findValues(repository, reference)
    if (keep === undefined) return Answer.flatMap(db.read(plain[by], values), (rows) => found(rows, descriptor))
    const withKeep = { ...values, keep: millis(keep) }
    return Effect.flatMap(
      db.read(leased[by], withKeep),
      (rows) =>
        found(rows, (row): Effect.Effect<Descriptor, Unknown | StoreError.Failed> => {
          if (Number(row["renew"]) === 0) return descriptor(row)
          const digest = row["digest"] as Uint8Array
          const renewed = db.run([renew, plain.digest], { ...withKeep, reference: digest, digest }, {})
          return Effect.flatMap(asFailed(lastRows(renewed)), (again) => found(again, descriptor))
        })
    )
  }
}

/** The guards of a push. */
const pushGuards = (db: Database) => ({
  type: db.guard(`SELECT 'TypeTaken' AS refusal, media_type AS value FROM manifest
    WHERE repo_id = ${repoId} AND digest = :digest AND media_type <> :mediaType`),
  content: db.guard(`SELECT 'ContentUnknown' AS refusal, CAST(r.position AS TEXT) AS value
    FROM ${db.dialect.references(":references")} r
    WHERE r.required = 1
      AND NOT EXISTS (SELECT 1 FROM repo_blob b WHERE b.repo_id = ${repoId} AND b.digest = r.digest)
      AND (r.kind = 'blob'
        OR NOT EXISTS (SELECT 1 FROM manifest m WHERE m.repo_id = ${repoId} AND m.digest = r.digest))
    ORDER BY r.position`),
  tagAbsent: db.guard(`SELECT 'TagTaken' AS refusal,
      CAST(n.position AS TEXT) || ' ' || ${db.dialect.hex("t.manifest")} AS value
    FROM ${db.dialect.texts(":tags")} n JOIN tag t ON t.repo_id = ${repoId} AND t.name = n.value
    WHERE t.manifest <> :digest ORDER BY n.position LIMIT 1`),
  tagMatch: db.guard(`SELECT 'TagTaken' AS refusal,
      CAST(n.position AS TEXT) || ' ' || COALESCE(${db.dialect.hex("t.manifest")}, '') AS value
    FROM ${db.dialect.texts(":tags")} n LEFT JOIN tag t ON t.repo_id = ${repoId} AND t.name = n.value
    WHERE t.manifest IS NULL OR (t.manifest <> :digest AND t.manifest <> :ifMatch) ORDER BY n.position LIMIT 1`)
})

/**
 * The statements that store a manifest and move its tags. A guard that found no row is asked again after the row was
 * inserted, because another transaction may have inserted it in the meantime.
 */
const pushStatements = (db: Database) => ({
  manifest: [
    addRepository(db),
    db.statement(`INSERT INTO manifest (repo_id, digest, media_type, size, created_at, leased_until, subject,
        artifact_type, listed_as, payload)
      VALUES (${repoId}, :digest, :mediaType, :size, :now, :now + :keep, :subject, :artifactType, :listedAs, :payload)
      ON CONFLICT (repo_id, digest) DO UPDATE SET leased_until =
        CASE WHEN excluded.leased_until > manifest.leased_until THEN excluded.leased_until
        ELSE manifest.leased_until END`),
    reviewManifest(db)
  ],
  references: db.statement(`INSERT INTO reference (repo_id, manifest, digest, kind, required)
    SELECT ${repoId}, CAST(:digest AS ${db.dialect.bytes}), r.digest, r.kind, r.required
    FROM ${db.dialect.references(":references")} r WHERE true
    ON CONFLICT (repo_id, manifest, digest, kind) DO NOTHING`),
  tags: [
    db.statement(scheduleReviews(`SELECT DISTINCT 'manifest', t.repo_id, t.manifest, :now
      FROM ${db.dialect.texts(":tags")} n JOIN tag t ON t.repo_id = ${repoId} AND t.name = n.value
      WHERE t.manifest <> :digest`)),
    db.statement(insertTags(db, ""))
  ],
  newTags: db.statement(insertTags(db, "WHERE tag.manifest = excluded.manifest"))
})

const insertTags = (db: Database, condition: string) =>
  `INSERT INTO tag (repo_id, name, manifest, updated_at)
    SELECT DISTINCT ${repoId}, n.value, CAST(:digest AS ${db.dialect.bytes}), :now
    FROM ${db.dialect.texts(":tags")} n WHERE true ORDER BY n.value
    ON CONFLICT (repo_id, name) DO UPDATE SET manifest = excluded.manifest, updated_at = excluded.updated_at
      ${condition}`

const pushRefusals = ({ references, tags }: MetadataStore.PutManifest) => ({
  TypeTaken: ([mediaType]: Values) => new StoreError.TypeTaken({ mediaType: mediaType! }),
  ContentUnknown: (positions: Values) =>
    new StoreError.ContentUnknown({ digests: positions.map((position) => references[Number(position)]!.digest) }),
  TagTaken: ([value]: Values) => {
    const [position, digest] = value!.split(" ")
    return new StoreError.TagTaken({
      tag: tags[Number(position)]!,
      digest: digest === "" ? undefined : digestCode.decodeHex(digest!)
    })
  },
  Full: () => new StoreError.Full()
})

const putManifest = (db: Database): Service["putManifest"] => {
  const guards = pushGuards(db)
  const statements = pushStatements(db)
  const { movedTags, references: content } = locks.make(db)
  const again = (guard: Template) => db.dialect.locksRows ? [guard] : []
  return (put) => {
    const { ifAbsent, ifMatch, keep, listedAs, manifest, references, repository, tags } = put
    const { digest, mediaType, size } = manifest.descriptor
    const subject = listedAs === undefined ? undefined : references.find(({ kind }) => kind === "subject")
    const required = references.some(({ required }) => required)
    const isTagged = tags.length > 0
    const bytes = payload.split(db, manifest.bytes)
    return Effect.asVoid(db.run<Effect.Effect.Error<ReturnType<Service["putManifest"]>>>(
      [
        ...content,
        ...(isTagged ? movedTags : []),
        guards.type,
        ...(required ? [guards.content] : []),
        ...(isTagged && ifAbsent ? [guards.tagAbsent] : []),
        ...(isTagged && ifMatch !== undefined ? [guards.tagMatch] : []),
        ...statements.manifest,
        ...again(guards.type),
        ...bytes.templates,
        ...(references.length > 0 ? [statements.references] : []),
        ...(isTagged ? (ifAbsent ? [statements.newTags, ...again(guards.tagAbsent)] : statements.tags) : [])
      ],
      {
        repository,
        digest: digestCode.encode(digest),
        mediaType,
        size,
        keep: millis(keep),
        subject: subject === undefined ? null : digestCode.encode(subject.digest),
        artifactType: listedAs?.artifactType ?? null,
        listedAs: listedAs === undefined ? null : JSON.stringify(listedAs),
        payload: bytes.payload,
        ...bytes.values,
        references: JSON.stringify(
          references.map(({ digest, kind, required }) => [digestCode.encodeHex(digest), kind, required ? 1 : 0])
        ),
        tags: JSON.stringify(tags),
        ifMatch: ifMatch === undefined ? null : digestCode.encode(ifMatch)
      },
      pushRefusals(put)
    ))
  }
}

const unknownRefusals = {
  RepositoryUnknown: () => new StoreError.RepositoryUnknown(),
  ManifestUnknown: () => new StoreError.ManifestUnknown()
}

const deleteManifest = (db: Database): Service["deleteManifest"] => {
  const { deletedManifest } = locks.make(db)
  const unknown = [
    ...deletedManifest,
    repositoryUnknown(db),
    db.guard(`SELECT 'ManifestUnknown' AS refusal, NULL AS value
      WHERE NOT EXISTS (SELECT 1 FROM manifest WHERE repo_id = ${repoId} AND digest = :digest)`)
  ]
  const referenced = db.guard(`SELECT 'Referenced' AS refusal, ${db.dialect.hex("manifest")} AS value FROM reference
    WHERE repo_id = ${repoId} AND digest = :digest AND kind = 'child' ORDER BY manifest LIMIT 1`)
  const remove = [
    ...scheduleReleased(repoId, "true").map((text) => db.statement(text)),
    db.statement(`DELETE FROM tag WHERE repo_id = ${repoId} AND manifest = :digest`),
    db.statement(`DELETE FROM manifest WHERE repo_id = ${repoId} AND digest = :digest`)
  ]
  const refusals = {
    ...unknownRefusals,
    Referenced: ([by]: Values) => new StoreError.Referenced({ by: digestCode.decodeHex(by!) })
  }
  return (repository, digest, evenIfReferenced) =>
    Effect.asVoid(db.run<Unknown | StoreError.Referenced>(
      [...unknown, ...(evenIfReferenced ? [] : [referenced]), ...remove],
      { repository, digest: digestCode.encode(digest) },
      refusals
    ))
}

const deleteTag = (db: Database): Service["deleteTag"] => {
  const { deletedTag } = locks.make(db)
  const remove = (condition: string) => {
    const tag = `tag WHERE repo_id = ${repoId} AND name = :tag${condition}`
    return [
      ...deletedTag,
      repositoryUnknown(db),
      db.guard(`SELECT 'ManifestUnknown' AS refusal, NULL AS value WHERE NOT EXISTS (SELECT 1 FROM ${tag})`),
      db.statement(scheduleReviews(`SELECT 'manifest', repo_id, manifest, :now FROM ${tag}`)),
      db.statement(`DELETE FROM ${tag}`)
    ]
  }
  const always = remove("")
  const ifPointsAt = remove(" AND manifest = :pointsAt")
  return (repository, tag, pointsAt) =>
    Effect.asVoid(db.run<Unknown>(
      pointsAt === undefined ? always : ifPointsAt,
      { repository, tag, pointsAt: pointsAt === undefined ? null : digestCode.encode(pointsAt) },
      unknownRefusals
    ))
}

type Commands =
  | "putManifest"
  | "resolveManifest"
  | "getManifest"
  | "inspectManifest"
  | "deleteManifest"
  | "deleteTag"

/** The commands for manifests and tags. */
export const make = (db: Database): Pick<Service, Commands> => ({
  putManifest: putManifest(db),
  resolveManifest: resolveManifest(db),
  getManifest: getManifest(db),
  inspectManifest: inspectManifest(db),
  deleteManifest: deleteManifest(db),
  deleteTag: deleteTag(db)
})
