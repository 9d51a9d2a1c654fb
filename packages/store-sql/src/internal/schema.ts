/** The statements that create the tables, and those that change them later. */
import { refreshTokens, robots } from "./accountTables.js"
import { types } from "./columnTypes.js"
import type { Types } from "./columnTypes.js"
import type { Dialect } from "./dialect.js"

/** Creates the table that contains the version of the schema. */
export const versions = (dialect: Dialect): string => {
  const { integer, table } = types[dialect.name]
  return `CREATE TABLE IF NOT EXISTS migration (
    version ${integer} PRIMARY KEY,
    applied_at ${integer} NOT NULL
  ) ${table}`
}

/**
 * The tables of the first version. Times are in milliseconds since 1970, digests are bytes (`digestCode.ts`).
 *
 * - `repo_blob`, `manifest`: content of a repository. It is kept until `leased_until`, although nothing may refer to it.
 * - `reference`: what a manifest refers to: a `blob`, a `child` or a `subject`.
 * - `upload`: upload sessions, in the order in which they were opened.
 * - `review`: content that may have been released at `released_at`. `verdict` is set only during a review.
 * - `garbage`: keys of bytes to delete, from `due_at` on.
 * - `event`: an outbox of what happened to manifests and tags, in order.
 * - `counter`: bytes, manifests and tags of each repository. Their sum over the shards counts.
 */
const tables = (types: Types): ReadonlyArray<string> => [
  ...contentTables(types),
  ...uploadTables(types),
  ...collectorTables(types)
]

const contentTables = ({ bytes, id, integer, linkTable, table, text }: Types): ReadonlyArray<string> => [
  `CREATE TABLE repo (
    id ${id},
    name ${text} NOT NULL UNIQUE,
    created_at ${integer} NOT NULL
  ) ${table}`,
  `CREATE TABLE blob (
    digest ${bytes} NOT NULL PRIMARY KEY,
    size ${integer} NOT NULL,
    key ${text} NOT NULL UNIQUE,
    created_at ${integer} NOT NULL
  ) ${linkTable}`,
  `CREATE TABLE repo_blob (
    repo_id ${integer} NOT NULL REFERENCES repo (id),
    digest ${bytes} NOT NULL REFERENCES blob (digest),
    leased_until ${integer} NOT NULL,
    PRIMARY KEY (repo_id, digest)
  ) ${linkTable}`,
  `CREATE INDEX repo_blob_digest ON repo_blob (digest)`,
  `CREATE TABLE manifest (
    repo_id ${integer} NOT NULL REFERENCES repo (id),
    digest ${bytes} NOT NULL,
    media_type ${text} NOT NULL,
    size ${integer} NOT NULL,
    created_at ${integer} NOT NULL,
    leased_until ${integer} NOT NULL,
    subject ${bytes},
    artifact_type ${text},
    listed_as ${text},
    payload ${bytes} NOT NULL,
    PRIMARY KEY (repo_id, digest)
  ) ${table}`,
  `CREATE INDEX manifest_subject ON manifest (repo_id, subject, digest) WHERE subject IS NOT NULL`,
  `CREATE INDEX manifest_subject_type ON manifest (repo_id, subject, artifact_type, digest) WHERE subject IS NOT NULL`,
  `CREATE TABLE reference (
    repo_id ${integer} NOT NULL,
    manifest ${bytes} NOT NULL,
    digest ${bytes} NOT NULL,
    kind ${text} NOT NULL,
    required ${integer} NOT NULL,
    PRIMARY KEY (repo_id, manifest, digest, kind),
    FOREIGN KEY (repo_id, manifest) REFERENCES manifest (repo_id, digest) ON DELETE CASCADE
  ) ${linkTable}`,
  `CREATE INDEX reference_digest ON reference (repo_id, digest, kind)`,
  `CREATE TABLE tag (
    repo_id ${integer} NOT NULL,
    name ${text} NOT NULL,
    manifest ${bytes} NOT NULL,
    updated_at ${integer} NOT NULL,
    PRIMARY KEY (repo_id, name),
    FOREIGN KEY (repo_id, manifest) REFERENCES manifest (repo_id, digest)
  ) ${linkTable}`,
  `CREATE INDEX tag_manifest ON tag (repo_id, manifest)`
]

const uploadTables = ({ bytes, id, integer, table, text }: Types): ReadonlyArray<string> => [
  `CREATE TABLE upload (
    seq ${id},
    id ${text} NOT NULL UNIQUE,
    repository ${text} NOT NULL,
    owner ${text},
    caller ${text} NOT NULL,
    key ${text} NOT NULL,
    token ${text} NOT NULL,
    algorithm ${text} NOT NULL,
    received ${integer} NOT NULL,
    digest ${bytes},
    fence ${integer} NOT NULL,
    expires_at ${integer} NOT NULL
  ) ${table}`,
  `CREATE INDEX upload_caller ON upload (caller, seq)`,
  `CREATE INDEX upload_repository ON upload (repository, seq)`,
  `CREATE INDEX upload_key ON upload (key)`,
  `CREATE INDEX upload_expires_at ON upload (expires_at, id)`,
  `CREATE INDEX upload_unclaimed ON upload (seq) WHERE fence = 0`,
  `CREATE INDEX upload_caller_unclaimed ON upload (caller, seq) WHERE fence = 0`,
  `CREATE INDEX upload_repository_unclaimed ON upload (repository, seq) WHERE fence = 0`
]

const collectorTables = ({ bytes, id, integer, linkTable, table, text }: Types): ReadonlyArray<string> => [
  `CREATE TABLE review (
    kind ${text} NOT NULL,
    repo_id ${integer} NOT NULL,
    digest ${bytes} NOT NULL,
    released_at ${integer} NOT NULL,
    verdict ${text},
    PRIMARY KEY (kind, repo_id, digest)
  ) ${linkTable}`,
  `CREATE INDEX review_released_at ON review (released_at, kind, repo_id, digest)`,
  `CREATE TABLE garbage (
    key ${text} NOT NULL PRIMARY KEY,
    token ${text},
    due_at ${integer} NOT NULL
  ) ${linkTable}`,
  `CREATE INDEX garbage_due_at ON garbage (due_at, key)`,
  `CREATE TABLE event (
    id ${id},
    at ${integer} NOT NULL,
    kind ${text} NOT NULL,
    repo_id ${integer} NOT NULL,
    digest ${bytes} NOT NULL,
    tag ${text}
  ) ${table}`,
  `CREATE TABLE counter (
    repo_id ${integer} NOT NULL,
    shard ${integer} NOT NULL,
    bytes ${integer} NOT NULL,
    manifests ${integer} NOT NULL,
    tags ${integer} NOT NULL,
    PRIMARY KEY (repo_id, shard)
  ) ${linkTable}`
]

/** A change of a row that is counted, and recorded as an event. */
interface Change {
  readonly table: "repo_blob" | "manifest" | "tag"
  readonly on: "INSERT" | "UPDATE" | "DELETE"
  /** What the change adds to the counters. */
  readonly counts?: { readonly bytes?: string; readonly manifests?: string; readonly tags?: string }
  readonly event?: { readonly kind: string; readonly at: string; readonly digest: string; readonly tag: string }
}

/** `row` stands for the changed row, and `now` for the time of the database. */
const changes: ReadonlyArray<Change> = [
  {
    table: "repo_blob",
    on: "INSERT",
    counts: { bytes: "(SELECT size FROM blob WHERE digest = row.digest)" }
  },
  {
    table: "repo_blob",
    on: "DELETE",
    counts: { bytes: "-(SELECT size FROM blob WHERE digest = row.digest)" }
  },
  {
    table: "manifest",
    on: "INSERT",
    counts: { bytes: "row.size", manifests: "1" },
    event: { kind: "manifest pushed", at: "row.created_at", digest: "row.digest", tag: "NULL" }
  },
  {
    table: "manifest",
    on: "DELETE",
    counts: { bytes: "-row.size", manifests: "-1" },
    event: { kind: "manifest deleted", at: "now", digest: "row.digest", tag: "NULL" }
  },
  {
    table: "tag",
    on: "INSERT",
    counts: { tags: "1" },
    event: { kind: "tag set", at: "row.updated_at", digest: "row.manifest", tag: "row.name" }
  },
  {
    table: "tag",
    on: "UPDATE",
    event: { kind: "tag set", at: "row.updated_at", digest: "row.manifest", tag: "row.name" }
  },
  {
    table: "tag",
    on: "DELETE",
    counts: { tags: "-1" },
    event: { kind: "tag deleted", at: "now", digest: "row.manifest", tag: "row.name" }
  }
]

/** Returns the statements that follow a change, with the terms of a dialect. */
const effects = ({ counts, event, on }: Change, shard: string, now: string): string => {
  const text = [
    counts === undefined ? "" : `
      INSERT INTO counter (repo_id, shard, bytes, manifests, tags)
        VALUES (row.repo_id, ${shard}, ${counts.bytes ?? 0}, ${counts.manifests ?? 0}, ${counts.tags ?? 0})
        ON CONFLICT (repo_id, shard) DO UPDATE SET bytes = counter.bytes + excluded.bytes,
          manifests = counter.manifests + excluded.manifests, tags = counter.tags + excluded.tags;`,
    event === undefined ? "" : `
      INSERT INTO event (at, kind, repo_id, digest, tag)
        VALUES (${event.at === "now" ? now : event.at}, '${event.kind}', row.repo_id, ${event.digest}, ${event.tag});`
  ].join("")
  return text.replaceAll("row.", on === "DELETE" ? "old." : "new.")
}

/**
 * Creates the triggers that maintain `counter` and `event`. Triggers run in the transaction of the change, whatever
 * command makes it.
 */
const triggers = (dialect: Dialect): ReadonlyArray<string> =>
  changes.flatMap((change) => {
    const { on, table } = change
    const name = `${table}_${on.toLowerCase()}`
    const when = on === "UPDATE" ? "UPDATE OF manifest" : on
    const changed = on === "UPDATE" ? "WHEN (new.manifest <> old.manifest)" : ""
    const shard = dialect.name === "sqlite" ? "0" : "pg_backend_pid() % 16"
    return trigger(dialect, name, `AFTER ${when} ON ${table}`, changed, effects(change, shard, dialect.now))
  })

/** Creates a trigger that runs statements for each row that an event changes. */
const trigger = (dialect: Dialect, name: string, event: string, condition: string, body: string) =>
  dialect.name === "sqlite"
    ? [`CREATE TRIGGER ${name} ${event} ${condition} BEGIN ${body} END`]
    : [
      `CREATE FUNCTION ${name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${body} RETURN NULL; END $$`,
      `CREATE TRIGGER ${name} ${event} FOR EACH ROW ${condition} EXECUTE FUNCTION ${name}()`
    ]

/**
 * The third version: `discarded_blob` names the repositories that had a blob before its damaged bytes were discarded.
 * They have the blob again when it is stored again, and the collector reviews it there.
 */
const discardedBlobs = (dialect: Dialect): ReadonlyArray<string> => {
  const { bytes, integer, linkTable } = types[dialect.name]
  const body = `
    INSERT INTO repo_blob (repo_id, digest, leased_until)
      SELECT repo_id, digest, new.created_at FROM discarded_blob WHERE digest = new.digest
      ON CONFLICT (repo_id, digest) DO NOTHING;
    INSERT INTO review (kind, repo_id, digest, released_at)
      SELECT 'blob', repo_id, digest, new.created_at FROM discarded_blob WHERE digest = new.digest
      ON CONFLICT (kind, repo_id, digest) DO UPDATE SET released_at = excluded.released_at;
    DELETE FROM discarded_blob WHERE digest = new.digest;`
  return [
    `CREATE TABLE discarded_blob (
      digest ${bytes} NOT NULL,
      repo_id ${integer} NOT NULL REFERENCES repo (id),
      PRIMARY KEY (digest, repo_id)
    ) ${linkTable}`,
    ...trigger(dialect, "blob_insert", "AFTER INSERT ON blob", "", body)
  ]
}

/** The bytes of a manifest after its `payload`, in databases whose rows cannot have all of them. */
const manifestParts = ({ bytes, integer, linkTable }: Types): ReadonlyArray<string> => [
  `CREATE TABLE manifest_part (
    repo_id ${integer} NOT NULL,
    manifest ${bytes} NOT NULL,
    position ${integer} NOT NULL,
    bytes ${bytes} NOT NULL,
    PRIMARY KEY (repo_id, manifest, position),
    FOREIGN KEY (repo_id, manifest) REFERENCES manifest (repo_id, digest) ON DELETE CASCADE
  ) ${linkTable}`
]

/** When the bytes of garbage were released, and how many they are. Older programs leave both out. */
const garbageSizes = ({ integer }: Types): ReadonlyArray<string> => [
  `ALTER TABLE garbage ADD COLUMN released_at ${integer}`,
  `ALTER TABLE garbage ADD COLUMN size ${integer}`
]

/** Space that pushes have reserved under the quota of a prefix. The prefix of the whole registry is empty. */
const quotaReservations = ({ integer, table, text }: Types): ReadonlyArray<string> => [
  `CREATE TABLE quota_reservation (
    id ${text} NOT NULL PRIMARY KEY,
    prefix ${text} NOT NULL,
    bytes ${integer} NOT NULL,
    manifests ${integer} NOT NULL,
    tags ${integer} NOT NULL,
    repositories ${integer} NOT NULL,
    expires_at ${integer} NOT NULL
  ) ${table}`,
  `CREATE INDEX quota_reservation_prefix ON quota_reservation (prefix, expires_at)`
]

/** The oldest versions of the schema whose programs can use a database of a newer version. */
const compatibility = ({ integer, table }: Types) =>
  `CREATE TABLE compatibility (
    version ${integer} PRIMARY KEY,
    readable_by ${integer} NOT NULL,
    writable_by ${integer} NOT NULL
  ) ${table}`

/**
 * A change of the schema. Programs of older versions may continue to run if they can: `readableBy` and `writableBy` are
 * the oldest versions whose programs can read and write the database after the change. A change that only adds tables, or
 * columns with a default, sets both to the version before it or less. Without them, older programs refuse the database:
 * those that start do not open it, and those that run fail each command.
 *
 * A migration locks the tables that it changes. It must be short on a large database.
 */
export interface Migration {
  readonly statements: ReadonlyArray<string>
  readonly readableBy?: number
  readonly writableBy?: number
}

/** The migrations, the oldest first. A migration that was released does not change. */
export const migrations = (dialect: Dialect): ReadonlyArray<Migration> => [
  { statements: [...tables(types[dialect.name]), ...triggers(dialect)] },
  { statements: refreshTokens(types[dialect.name]) },
  { statements: discardedBlobs(dialect) },
  { statements: [compatibility(types[dialect.name])] },
  { statements: manifestParts(types[dialect.name]), readableBy: 4, writableBy: 4 },
  { statements: garbageSizes(types[dialect.name]), readableBy: 4, writableBy: 4 },
  { statements: quotaReservations(types[dialect.name]), readableBy: 4, writableBy: 4 },
  { statements: [robots(types[dialect.name])], readableBy: 4, writableBy: 4 }
]
