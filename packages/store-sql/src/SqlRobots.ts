/**
 * A table of robots in SQL, which the nodes of a registry share. It contains hashes of the robots' secrets.
 *
 * @since 0.1.0
 */
import type { CommandFailure } from "@effect-oci/store/MetadataStore"
import type * as StoreError from "@effect-oci/store/StoreError"
import * as Effect from "effect/Effect"
import type { Database } from "./internal/database.js"
import { open } from "./internal/open.js"
import type { SchemaTooNew } from "./internal/schemaVersion.js"
import type { Row, SqlBatch } from "./SqlBatch.js"

/**
 * A robot. Times are in milliseconds since 1970, by the clock of the database.
 *
 * @since 0.1.0
 * @category models
 */
export interface Robot {
  readonly name: string
  readonly description: string
  readonly permissions: string
  /** The hash of its secret. */
  readonly hash: string
  readonly createdAt: number
  readonly expiresAt: number | undefined
  readonly isExpired: boolean
  readonly lastUsedAt: number | undefined
}

/**
 * A table of robots: a `Robots.Table` of `@effect-oci/guard`.
 *
 * @since 0.1.0
 * @category models
 */
export interface SqlRobots {
  /**
   * Adds a robot, which lives for `lifetime` milliseconds, or until it is removed. Returns `false` if a robot has this
   * name.
   */
  readonly add: (robot: {
    readonly name: string
    readonly description: string
    readonly permissions: string
    readonly hash: string
    readonly lifetime: number | undefined
  }) => Effect.Effect<boolean, CommandFailure>
  readonly find: (name: string) => Effect.Effect<Robot | undefined, StoreError.Failed>
  /** Returns at most `limit` robots in the order of their names, after a name. */
  readonly list: (after: string | undefined, limit: number) => Effect.Effect<ReadonlyArray<Robot>, StoreError.Failed>
  /** Replaces the hash of a robot, and its lifetime. Returns `false` if there is no such robot. */
  readonly renew: (
    robot: { readonly name: string; readonly hash: string; readonly lifetime: number | undefined }
  ) => Effect.Effect<boolean, CommandFailure>
  /** Removes a robot. Returns `false` if there is no such robot. */
  readonly remove: (name: string) => Effect.Effect<boolean, CommandFailure>
  /** Records that a robot is used now. */
  readonly touch: (name: string) => Effect.Effect<void, CommandFailure>
}

const optional = (value: Row[string]) => value === null || value === undefined ? undefined : Number(value)

const robotOf = (row: Row): Robot => ({
  name: row["name"] as string,
  description: row["description"] as string,
  permissions: row["permissions"] as string,
  hash: row["hash"] as string,
  createdAt: Number(row["created_at"]),
  expiresAt: optional(row["expires_at"]),
  isExpired: Number(row["is_expired"]) === 1,
  lastUsedAt: optional(row["last_used_at"])
})

const columns = `name, description, permissions, hash, created_at, expires_at, last_used_at,
  CASE WHEN expires_at <= :now THEN 1 ELSE 0 END AS is_expired`

const commands = (db: Database): SqlRobots => {
  const expiry = `:now + CAST(:lifetime AS ${db.dialect.name === "sqlite" ? "INTEGER" : "BIGINT"})`
  const add = db.statement(`INSERT INTO robot (name, description, permissions, hash, created_at, expires_at)
    VALUES (:name, :description, :permissions, :hash, :now, ${expiry}) ON CONFLICT (name) DO NOTHING RETURNING name`)
  const find = db.statement(`SELECT ${columns} FROM robot WHERE name = :name`)
  const list = db.statement(`SELECT ${columns} FROM robot WHERE name > :after ORDER BY name LIMIT :limit`)
  const renew = db.statement(`UPDATE robot SET hash = :hash, expires_at = ${expiry} WHERE name = :name RETURNING name`)
  const remove = db.statement(`DELETE FROM robot WHERE name = :name RETURNING name`)
  const touch = db.statement(`UPDATE robot SET last_used_at = :now WHERE name = :name`)
  const isChanged = (results: ReadonlyArray<ReadonlyArray<Row>>) => results.at(-1)!.length > 0
  return {
    add: ({ lifetime, ...robot }) => Effect.map(db.run([add], { ...robot, lifetime: lifetime ?? null }, {}), isChanged),
    find: (name) => Effect.map(db.read(find, { name }), ([row]) => row === undefined ? undefined : robotOf(row)),
    list: (after, limit) => Effect.map(db.read(list, { after: after ?? "", limit }), (rows) => rows.map(robotOf)),
    renew: ({ lifetime, ...robot }) =>
      Effect.map(db.run([renew], { ...robot, lifetime: lifetime ?? null }, {}), isChanged),
    remove: (name) => Effect.map(db.run([remove], { name }, {}), isChanged),
    touch: (name) => Effect.asVoid(db.run([touch], { name }, {}))
  }
}

/**
 * Opens the table of robots in a database, and creates or upgrades the tables of the database. The database may be that
 * of the metadata store.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Robots } from "@effect-oci/guard"
 * import { SqlRobots } from "@effect-oci/store-sql"
 * import { Effect } from "effect"
 *
 * const robots = Effect.flatMap(SqlRobots.make, (table) => Robots.make(table))
 * ```
 */
export const make: Effect.Effect<SqlRobots, SchemaTooNew | StoreError.Failed, SqlBatch> = Effect.map(open, commands)
