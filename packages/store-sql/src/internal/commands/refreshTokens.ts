import * as Effect from "effect/Effect"
import type { SqlRefreshTokens } from "../../SqlRefreshTokens.js"
import type { Database } from "../database.js"

/** How many tokens that have expired one command removes. */
const batch = 100

/** The commands for refresh tokens. */
export const make = (db: Database): SqlRefreshTokens => {
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
