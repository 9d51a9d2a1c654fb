/** The parts of a statement that SQLite and PostgreSQL write in different ways. */
export interface Dialect {
  readonly name: "sqlite" | "postgres"
  /** The prefix of a placeholder. */
  readonly placeholder: "?" | "$"
  /** The time of the database, in milliseconds. */
  readonly now: string
  /** The type of a digest. */
  readonly bytes: string
  /** Bytes as text. */
  readonly hex: (bytes: string) => string
  /** The texts of a JSON array as rows `(value, position)`. */
  readonly texts: (json: string) => string
  /** The digests of a JSON array of hex as rows `(digest)`. */
  readonly digests: (json: string) => string
  /** Whether several transactions run at once, so that a command locks the rows that it depends on. */
  readonly locksRows: boolean
  /** Ends a query for rows to change: passes over the rows that another transaction has locked. */
  readonly skipLocked: string
  /** Ends the upload sessions that a condition finds: their bytes become garbage. */
  readonly endUploads: (condition: string) => ReadonlyArray<string>
  /** The references of a manifest as rows `(digest, kind, required, position)`. */
  readonly references: (json: string) => string
}

export const sqlite: Dialect = {
  name: "sqlite",
  placeholder: "?",
  now: "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
  bytes: "BLOB",
  hex: (bytes) => `hex(${bytes})`,
  locksRows: false,
  skipLocked: "",
  endUploads: (condition) => [
    `INSERT INTO garbage (key, token, due_at, released_at, size)
      SELECT key, NULLIF(token, ''), :now, :now, received FROM upload WHERE ${condition} ON CONFLICT (key) DO NOTHING`,
    // The clock of a database may advance between statements. A session ends only if its bytes are garbage.
    `DELETE FROM upload WHERE ${condition} AND EXISTS (SELECT 1 FROM garbage WHERE key = upload.key)`
  ],
  texts: (json) => `(SELECT value, key AS position FROM json_each(${json}))`,
  digests: (json) => `(SELECT unhex(value) AS digest FROM json_each(${json}))`,
  references: (json) =>
    `(SELECT unhex(json_extract(value, '$[0]')) AS digest, json_extract(value, '$[1]') AS kind,
      json_extract(value, '$[2]') AS required, key AS position FROM json_each(${json}))`
}

const elements = (json: string) => `jsonb_array_elements(CAST(${json} AS JSONB)) WITH ORDINALITY AS e(value, position)`

export const postgres: Dialect = {
  name: "postgres",
  placeholder: "$",
  now: "CAST(extract(epoch FROM now()) * 1000 AS BIGINT)",
  bytes: "BYTEA",
  hex: (bytes) => `encode(${bytes}, 'hex')`,
  locksRows: true,
  skipLocked: "FOR UPDATE SKIP LOCKED",
  // One statement: between two, other sessions could meet the condition.
  endUploads: (condition) => [
    `WITH ended AS (DELETE FROM upload WHERE ${condition} RETURNING key, token, received)
      INSERT INTO garbage (key, token, due_at, released_at, size)
        SELECT key, NULLIF(token, ''), :now, :now, received FROM ended ON CONFLICT (key) DO NOTHING`
  ],
  texts: (json) => `(SELECT value #>> '{}' AS value, position - 1 AS position FROM ${elements(json)})`,
  digests: (json) => `(SELECT decode(value #>> '{}', 'hex') AS digest FROM ${elements(json)})`,
  references: (json) =>
    `(SELECT decode(value ->> 0, 'hex') AS digest, value ->> 1 AS kind, CAST(value ->> 2 AS INTEGER) AS required,
      position - 1 AS position FROM ${elements(json)})`
}

export const dialects: { readonly [D in Dialect["name"]]: Dialect } = { sqlite, postgres }
