/**
 * A table of refresh tokens in SQL, which the nodes of a registry share. It contains hashes of the tokens.
 *
 * @since 0.1.0
 */
import type { CommandFailure } from "@effect-oci/store/MetadataStore"
import type * as StoreError from "@effect-oci/store/StoreError"
import * as Effect from "effect/Effect"
import type { Database } from "./internal/database.js"
import { open } from "./internal/open.js"
import type { SchemaTooNew } from "./internal/schemaVersion.js"
import type { SqlBatch } from "./SqlBatch.js"

/**
 * The user of a refresh token, and the version of the user's account when the token was issued.
 *
 * @since 0.1.0
 * @category models
 */
export interface Grant {
  readonly username: string
  readonly version: string
}

/**
 * A table of refresh tokens: a `RefreshTokens.Table` of `@effect-oci/guard`.
 *
 * @since 0.1.0
 * @category models
 */
export interface SqlRefreshTokens {
  /**
   * Adds the hash of a token, which lives for `lifetime` milliseconds by the clock of the database. Removes the oldest
   * tokens of the user beyond `capacityPerUser`, and tokens that have expired.
   */
  readonly add: (
    token: Grant & { readonly hash: string; readonly lifetime: number; readonly capacityPerUser: number }
  ) => Effect.Effect<void, CommandFailure>
  /** Returns the user of a token, or `undefined` if the table does not have the token or if the token has expired. */
  readonly find: (hash: string) => Effect.Effect<Grant | undefined, StoreError.Failed>
  /** Removes all tokens of a user. */
  readonly remove: (username: string) => Effect.Effect<void, CommandFailure>
}

/** How many tokens that have expired one command removes. */
const batch = 100

const commands = (db: Database): SqlRefreshTokens => {
  const add = [
    db.statement(`DELETE FROM refresh_token WHERE seq IN
      (SELECT seq FROM refresh_token WHERE expires_at <= :now ORDER BY expires_at, seq LIMIT ${batch})`),
    db.statement(`DELETE FROM refresh_token WHERE username = :username AND seq <=
      (SELECT seq FROM refresh_token WHERE username = :username ORDER BY seq DESC LIMIT 1 OFFSET :others)`),
    db.statement(`INSERT INTO refresh_token (hash, username, version, expires_at)
      VALUES (:hash, :username, :version, :now + :lifetime)`)
  ]
  const find = db.statement(`SELECT username, version FROM refresh_token WHERE hash = :hash AND expires_at > :now`)
  const remove = [db.statement(`DELETE FROM refresh_token WHERE username = :username`)]
  return {
    add: ({ capacityPerUser, hash, lifetime, username, version }) =>
      Effect.asVoid(db.run(add, { hash, lifetime, username, version, others: Math.max(0, capacityPerUser - 1) }, {})),
    find: (hash) =>
      Effect.map(db.read(find, { hash }), ([row]) =>
        row === undefined
          ? undefined
          : { username: row["username"] as string, version: row["version"] as string }),
    remove: (username) => Effect.asVoid(db.run(remove, { username }, {}))
  }
}

/**
 * Opens the table of refresh tokens in a database, and creates or upgrades the tables of the database. The database may
 * be that of the metadata store.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { RefreshTokens } from "@effect-oci/guard"
 * import { SqlRefreshTokens } from "@effect-oci/store-sql"
 * import { Effect } from "effect"
 *
 * const refreshTokens = Effect.map(SqlRefreshTokens.make, (table) => RefreshTokens.shared(table))
 * ```
 */
export const make: Effect.Effect<SqlRefreshTokens, SchemaTooNew | StoreError.Failed, SqlBatch> = Effect.map(
  open,
  commands
)
