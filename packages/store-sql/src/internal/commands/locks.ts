/**
 * The rows that each command locks, where several transactions run at once: in PostgreSQL, with the isolation level "read
 * committed". SQLite has one writer, and no locks of rows.
 *
 * - A command locks first, and checks its conditions in a later statement: a statement sees what was committed before it
 *   began, not what was committed while it waited for a lock.
 * - The order is: session, blobs, manifests, memberships, tags, each by digest or name, and reviews last.
 * - What a command relies on is locked `FOR KEY SHARE`, which forbids only its deletion. What a command may delete is
 *   locked `FOR UPDATE`.
 * - A row that does not exist cannot be locked. A new row is inserted with `ON CONFLICT`, which waits for the transaction
 *   that inserts or deletes the same row.
 */
import { type Database, repoId, type Template } from "../database.js"

type Locks = ReadonlyArray<Template>

const own = `repo_id = ${repoId} AND digest = :digest`

/** The content that a manifest refers to, and the manifest. */
const contentOf = (db: Database, table: "manifest" | "repo_blob", more: string) =>
  `SELECT 1 FROM ${table} WHERE repo_id = ${repoId} AND digest IN (
    SELECT digest FROM ${db.dialect.references(":references")} r WHERE kind <> 'subject'${more})
    ORDER BY digest FOR KEY SHARE`

/** Locks for the commands of the clients. */
export const make = (db: Database) => ({
  /** The session `:id`, which no other command claims or ends. */
  session: db.lock(`SELECT 1 FROM upload WHERE id = :id FOR UPDATE`),
  /** The session `:upload`. */
  endedSession: db.lock(`SELECT 1 FROM upload WHERE id = :upload FOR UPDATE`),
  /** A blob that the command adds to a repository. */
  addedBlob: db.lock(`SELECT 1 FROM blob WHERE digest = :digest FOR KEY SHARE`),
  /** A blob that the command removes from a repository. */
  removedBlob: [
    ...db.lock(`SELECT 1 FROM blob WHERE digest = :digest FOR UPDATE`),
    ...db.lock(`SELECT 1 FROM repo_blob WHERE ${own} FOR UPDATE`)
  ],
  /** A blob that the command removes from all repositories. */
  discardedBlob: [
    ...db.lock(`SELECT 1 FROM blob WHERE digest = :digest FOR UPDATE`),
    ...db.lock(`SELECT 1 FROM repo_blob WHERE digest = :digest ORDER BY repo_id FOR UPDATE`)
  ],
  /** What a pushed manifest refers to. */
  references: [
    ...db.lock(contentOf(db, "manifest", ` UNION ALL SELECT :digest`)),
    ...db.lock(contentOf(db, "repo_blob", ""))
  ],
  /** The tags that a push moves. */
  movedTags: db.lock(`SELECT 1 FROM tag WHERE repo_id = ${repoId}
    AND name IN (SELECT value FROM ${db.dialect.texts(":tags")} n) ORDER BY name FOR UPDATE`),
  /** A manifest that the command deletes, with its tags. */
  deletedManifest: [
    ...db.lock(`SELECT 1 FROM manifest WHERE ${own} FOR UPDATE`),
    ...db.lock(`SELECT 1 FROM tag WHERE repo_id = ${repoId} AND manifest = :digest ORDER BY name FOR UPDATE`)
  ],
  deletedTag: db.lock(`SELECT 1 FROM tag WHERE repo_id = ${repoId} AND name = :tag FOR UPDATE`)
})

/** The key of the lock for reviews, with the id of the table: other schemas of the database have locks of their own. */
const reviewKey = 0x6f63_6901

/**
 * Refuses a batch of reviews while another node reviews. The nodes find the same rows, so that one would wait for the
 * other, and then find nothing left to do. Rows cannot be passed over: content is locked before its review, in the order
 * of all commands.
 */
export const oneReviewer = (db: Database): Locks =>
  db.dialect.locksRows
    ? [db.guard(`SELECT 'Busy' AS refusal, NULL AS value
        WHERE NOT pg_try_advisory_xact_lock(${reviewKey}, CAST(CAST(CAST('review' AS regclass) AS oid) AS INTEGER))`)]
    : []

/** Locks the content of reviews. `:contents` is a JSON array of `[kind, id of the repository, digest in hex]`. */
export const ofReviews = (db: Database): Locks => {
  const contents = `(SELECT value ->> 0 AS kind, CAST(value ->> 1 AS BIGINT) AS repo_id,
    decode(value ->> 2, 'hex') AS digest FROM jsonb_array_elements(CAST(:contents AS JSONB)))`
  const lock = (table: string, key: string, kind: string) =>
    db.lock(`SELECT 1 FROM ${table} WHERE (${key}) IN (SELECT ${key} FROM ${contents} c WHERE kind = '${kind}')
      ORDER BY ${key} FOR UPDATE`)
  return [
    ...lock("blob", "digest", "blob"),
    ...lock("manifest", "digest, repo_id", "manifest"),
    ...lock("repo_blob", "digest, repo_id", "blob")
  ]
}
