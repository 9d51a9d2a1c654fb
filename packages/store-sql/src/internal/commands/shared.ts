/** Statements that several commands have. */
import { type Database, repoId, type Template } from "../database.js"

/** Whether less than half of a lease of the length `:keep` is left. */
export const needsRenewal = (leasedUntil: string): string =>
  `CASE WHEN (${leasedUntil} - :now) * 2 < :keep THEN 1 ELSE 0 END`

export const addRepository = (db: Database): Template =>
  db.statement(`INSERT INTO repo (name, created_at) VALUES (:repository, :now) ON CONFLICT (name) DO NOTHING`)

/** Schedules reviews of the rows `(kind, repo_id, digest, released_at)`. */
export const scheduleReviews = (rows: string): string =>
  `INSERT INTO review (kind, repo_id, digest, released_at) ${rows}
    ON CONFLICT (kind, repo_id, digest) DO UPDATE SET released_at =
      CASE WHEN excluded.released_at > review.released_at THEN excluded.released_at ELSE review.released_at END`

export const reviewBlob = (db: Database): Template =>
  db.statement(scheduleReviews(`VALUES ('blob', ${repoId}, :digest, :now)`))

export const reviewManifest = (db: Database): Template =>
  db.statement(scheduleReviews(`VALUES ('manifest', ${repoId}, :digest, :now)`))

/**
 * Schedules reviews of all that a manifest releases when it is deleted: what it refers to, and its referrers. Nothing
 * happens unless `condition` is true.
 */
export const scheduleReleased = (repo: string, condition: string): ReadonlyArray<string> => {
  const released = (kind: string, from: string) =>
    scheduleReviews(`SELECT '${kind}', repo_id, digest, :now FROM ${from} AND ${condition}`)
  const own = `reference WHERE repo_id = ${repo} AND manifest = :digest`
  return [
    released("manifest", `${own} AND kind <> 'blob'`),
    released("blob", `${own} AND kind <> 'subject'`),
    released("manifest", `manifest WHERE repo_id = ${repo} AND subject = :digest`)
  ]
}

/**
 * Makes the bytes of a blob garbage that no repository has any more, and removes the blob. Nothing happens unless
 * `condition` is true.
 */
export const releaseBytes = (condition: string): ReadonlyArray<string> => {
  const orphan = `blob WHERE digest = :digest AND NOT EXISTS (SELECT 1 FROM repo_blob WHERE digest = :digest)
    AND ${condition}`
  return [
    garbageOf(orphan),
    `DELETE FROM ${orphan}`
  ]
}

/** Makes the bytes of blobs garbage. */
export const garbageOf = (blobs: string): string =>
  `INSERT INTO garbage (key, token, due_at, released_at, size)
    SELECT key, NULL, :now + :readable, :now, size FROM ${blobs} ON CONFLICT (key) DO NOTHING`

/** Refuses a batch if the repository does not exist. */
export const repositoryUnknown = (db: Database): Template =>
  db.guard(`SELECT 'RepositoryUnknown' AS refusal, NULL AS value
    WHERE NOT EXISTS (SELECT 1 FROM repo WHERE name = :repository)`)
