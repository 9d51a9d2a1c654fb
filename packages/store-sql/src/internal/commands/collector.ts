import { BlobKey, UploadToken } from "@effect-oci/store/BlobStore"
import type * as MetadataStore from "@effect-oci/store/MetadataStore"
import * as Effect from "effect/Effect"
import type { Row } from "../../SqlBatch.js"
import { type Database, lastRows, millis, type Template } from "../database.js"
import * as digestCode from "../digestCode.js"
import * as locks from "./locks.js"
import { releaseBytes, scheduleReleased } from "./shared.js"

type Service = MetadataStore.Service
type Commands = "expireUploads" | "review" | "claimGarbage" | "forgetGarbage" | "unknownKeys"

const expireUploads = (db: Database, eventsKept: number): Service["expireUploads"] => {
  const { endUploads, skipLocked } = db.dialect
  const expired = `SELECT seq FROM upload WHERE expires_at <= :now ORDER BY expires_at, id LIMIT :n ${skipLocked}`
  const statements = [
    db.statement(`DELETE FROM event WHERE id IN (
      SELECT id FROM event WHERE id <= (SELECT MAX(id) FROM event) - :kept ORDER BY id LIMIT :n ${skipLocked})`),
    ...endUploads(`seq IN (${expired})`).map((text) => db.statement(text)),
    db.statement(`SELECT seq FROM upload WHERE expires_at <= :now LIMIT 1`)
  ]
  return (n) =>
    Effect.map(lastRows(db.run(statements, { n, kept: eventsKept }, {})), (rows) => ({ more: rows.length > 0 }))
}

/** The statements of a review. The first one decides, and `removes` is the index of the one that removes the content. */
interface Review {
  readonly statements: ReadonlyArray<Template>
  readonly removes: number
}

const own = "repo_id = :repo AND digest = :digest"
const references = (kinds: string) =>
  `EXISTS (SELECT 1 FROM reference r WHERE r.repo_id = :repo AND r.digest = :digest AND r.kind IN (${kinds}))`

/**
 * Reviews one manifest or blob (`:repo`, `:digest`) whose review had the time `:seen` when it was read. Nothing happens
 * if a later event changed that time. The verdict is stored in the row of the review, because nothing is read between
 * the statements of a batch.
 */
const reviewOf = (
  db: Database,
  kind: "manifest" | "blob",
  content: {
    readonly table: "manifest" | "repo_blob"
    readonly isKept: string
    /**
     * Whether the policy keeps content that nothing else keeps. Then it is reviewed again after another grace. Without a
     * grace it is not: the review would be due at once, and a pass would not end.
     */
    readonly isKeptByPolicy: string
    /** The statements that remove the content if a condition is true. One of them deletes its row of the table. */
    readonly remove: (condition: string) => ReadonlyArray<string>
  }
): Review => {
  const { isKept, isKeptByPolicy, table } = content
  const row = `kind = '${kind}' AND ${own} AND released_at = :seen`
  const leasedUntil = `(SELECT leased_until FROM ${table} WHERE ${own})`
  const isRemoved = `EXISTS (SELECT 1 FROM review WHERE ${row} AND verdict = 'remove')`
  const remove = content.remove(isRemoved)
  return {
    removes: 1 + remove.findIndex((text) => text.startsWith(`DELETE FROM ${table} `)),
    statements: [
      db.statement(`UPDATE review SET verdict = CASE WHEN ${leasedUntil} IS NULL OR ${isKept} THEN 'keep'
        WHEN ${leasedUntil} > :now THEN 'wait'
        WHEN ${isKeptByPolicy} THEN CASE WHEN :grace > 0 THEN 'later' ELSE 'keep' END
        ELSE 'remove' END WHERE ${row}`),
      ...remove.map((text) => db.statement(text)),
      db.statement(`DELETE FROM review WHERE ${row} AND verdict IN ('keep', 'remove')`),
      db.statement(`UPDATE review SET verdict = NULL,
        released_at = CASE verdict WHEN 'wait' THEN ${leasedUntil} - :grace ELSE :now END
        WHERE ${row} AND verdict IN ('wait', 'later')`)
    ]
  }
}

const reviews = (db: Database): { readonly [kind in "manifest" | "blob"]: Review } => ({
  manifest: reviewOf(db, "manifest", {
    table: "manifest",
    isKeptByPolicy: ":untagged = 'keep'",
    isKept: `EXISTS (SELECT 1 FROM tag WHERE repo_id = :repo AND manifest = :digest)
      OR ${references("'child'")}
      OR EXISTS (SELECT 1 FROM reference r JOIN manifest s ON s.repo_id = r.repo_id AND s.digest = r.digest
        WHERE r.repo_id = :repo AND r.manifest = :digest AND r.kind = 'subject')`,
    remove: (isRemoved) => [
      ...scheduleReleased(":repo", isRemoved),
      `DELETE FROM manifest WHERE ${own} AND ${isRemoved} RETURNING 1 AS removed`
    ]
  }),
  blob: reviewOf(db, "blob", {
    table: "repo_blob",
    isKeptByPolicy: "1 = 0",
    isKept: references("'blob', 'child'"),
    remove: (isRemoved) => [
      `DELETE FROM repo_blob WHERE ${own} AND ${isRemoved} RETURNING 1 AS removed`,
      ...releaseBytes(isRemoved)
    ]
  })
})

const review = (db: Database): Service["review"] => {
  const isDue = "released_at <= :now - :grace"
  const due = db.statement(`SELECT kind, repo_id, digest, released_at FROM review WHERE ${isDue}
    ORDER BY released_at, kind, repo_id, digest LIMIT :n`)
  const more = db.statement(`SELECT 1 AS more FROM review WHERE ${isDue} LIMIT 1`)
  const byKind = reviews(db)
  const before = locks.oneReviewer(db)
  const contents = locks.ofReviews(db)
  const nothing = { manifests: 0, blobs: 0, more: false }
  return ({ grace, readable, untagged }, n) => {
    const policy = { grace: millis(grace), readable: millis(readable), untagged }
    const reviewRows = (rows: ReadonlyArray<Row>) => {
      const each = rows.map((row) => {
        const kind = row["kind"] as "manifest" | "blob"
        const values = {
          ...policy,
          repo: Number(row["repo_id"]),
          digest: row["digest"] as Uint8Array,
          seen: Number(row["released_at"])
        }
        return { kind, values, ...byKind[kind] }
      })
      const held = JSON.stringify(
        each.map(({ kind, values: { digest, repo } }) => [kind, repo, digestCode.toHex(digest)])
      )
      const statements = [
        ...before.map((template) => ({ template, values: {} })),
        ...contents.map((template) => ({ template, values: { contents: held } })),
        ...each.flatMap(({ statements, values }) => statements.map((template) => ({ template, values }))),
        { template: more, values: policy }
      ]
      const reviewed = Effect.map(db.runEach(statements, { Busy: () => "Busy" as const }), (results) => {
        const removed = { manifest: 0, blob: 0 }
        let at = before.length + contents.length
        for (const { kind, removes, statements } of each) {
          removed[kind] += results[at + removes]!.length
          at += statements.length
        }
        return { manifests: removed.manifest, blobs: removed.blob, more: results[at]!.length > 0 }
      })
      return Effect.catchAll(
        reviewed,
        (error) => error === "Busy" ? Effect.succeed(nothing) : Effect.fail(error)
      )
    }
    return Effect.flatMap(db.read(due, { ...policy, n }), reviewRows)
  }
}

const garbageOf = (row: Row): MetadataStore.Garbage => ({
  key: BlobKey(row["key"] as string),
  token: row["token"] === null ? undefined : UploadToken(row["token"] as string)
})

const claimGarbage = (db: Database): Service["claimGarbage"] => {
  const claim = db.statement(`UPDATE garbage SET due_at = :now + :lease WHERE key IN (
      SELECT key FROM garbage WHERE due_at <= :now ORDER BY due_at, key LIMIT :n
      ${db.dialect.skipLocked})
    RETURNING key, token`)
  return (n, lease) =>
    Effect.map(
      lastRows(db.run([claim], { n, lease: millis(lease) }, {})),
      (rows) => rows.map(garbageOf).sort((a, b) => a.key < b.key ? -1 : 1)
    )
}

/** The commands of the collector. */
export const make = (db: Database, options: { readonly eventsKept: number }): Pick<Service, Commands> => {
  const forget = db.statement(`DELETE FROM garbage WHERE key IN ${textsOf(db)}`)
  const known = (table: string) => `EXISTS (SELECT 1 FROM ${table} WHERE key = k.value)`
  const unknown = db.statement(`SELECT k.value AS key FROM ${db.dialect.texts(":keys")} k
    WHERE NOT ${known("blob")} AND NOT ${known("upload")} AND NOT ${known("garbage")} ORDER BY k.position`)
  return {
    expireUploads: expireUploads(db, options.eventsKept),
    review: review(db),
    claimGarbage: claimGarbage(db),
    forgetGarbage: (keys) => Effect.asVoid(db.run([forget], { keys: JSON.stringify(keys) }, {})),
    unknownKeys: (keys) =>
      Effect.map(
        db.read(unknown, { keys: JSON.stringify(keys) }),
        (rows) => rows.map(({ key }) => BlobKey(key as string))
      )
  }
}

const textsOf = (db: Database) => `(SELECT value FROM ${db.dialect.texts(":keys")} k)`
