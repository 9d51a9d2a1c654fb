import type { Types } from "./columnTypes.js"

/** The hashes of refresh tokens, in the order in which they were issued. */
export const refreshTokens = ({ id, integer, table, text }: Types): ReadonlyArray<string> => [
  `CREATE TABLE refresh_token (
    seq ${id},
    hash ${text} NOT NULL UNIQUE,
    username ${text} NOT NULL,
    version ${text} NOT NULL,
    expires_at ${integer} NOT NULL
  ) ${table}`,
  `CREATE INDEX refresh_token_username ON refresh_token (username, seq)`,
  `CREATE INDEX refresh_token_expires_at ON refresh_token (expires_at, seq)`
]

/** The robots, and the hashes of their secrets. */
export const robots = ({ integer, table, text }: Types) =>
  `CREATE TABLE robot (
    name ${text} PRIMARY KEY,
    description ${text} NOT NULL,
    permissions ${text} NOT NULL,
    hash ${text} NOT NULL,
    created_at ${integer} NOT NULL,
    expires_at ${integer},
    last_used_at ${integer}
  ) ${table}`
