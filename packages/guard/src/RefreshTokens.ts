/**
 * Refresh tokens: opaque tokens that a client stores in place of a password. They end when the password of the user
 * changes.
 *
 * @since 0.1.0
 */
import { LruMap } from "@effect-oci/core/LruMap"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Redacted from "effect/Redacted"
import * as SecretHash from "./internal/secretHash.js"
import type { Account } from "./Users.js"

/**
 * The user of a refresh token. `version` is the version of the account when the token was issued.
 *
 * @since 0.1.0
 * @category models
 */
export interface Grant {
  readonly username: string
  readonly version: string
}

/**
 * A store of refresh tokens. If several servers share tokens, or tokens must survive a restart, implement this
 * interface: store a hash of each token, as for passwords.
 *
 * @since 0.1.0
 * @category models
 */
export interface RefreshTokens {
  readonly issue: (account: Account) => Effect.Effect<Redacted.Redacted<string>>
  /** Returns the user of a token, or `undefined` if the token is unknown, expired or revoked. */
  readonly find: (token: Redacted.Redacted<string>) => Effect.Effect<Grant | undefined>
  /** Revokes all tokens of a user. */
  readonly revoke: (username: string) => Effect.Effect<void>
}

/**
 * Options for {@link make}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** How long a token is valid. Default: 30 days. */
  readonly lifetime?: Duration.DurationInput | undefined
  /** The number of tokens that are kept. If there are more, the least recently used end. Default: 10000. */
  readonly capacity?: number | undefined
  /**
   * The number of tokens that are kept for one user, so that one user cannot end the tokens of others. Default: 100.
   */
  readonly capacityPerUser?: number | undefined
}

interface Issued extends Grant {
  readonly until: number
}

/** The maximum length of a token, in characters. Issued tokens are shorter. */
const maxLength = 256

/**
 * Creates a store of refresh tokens in memory. The tokens end with the process.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options?: Options): Effect.Effect<RefreshTokens> =>
  Effect.map(Effect.clock, (clock) => {
    const lifetime = Duration.toMillis(options?.lifetime ?? "30 days")
    const issued = new LruMap<string, Issued>(options?.capacity ?? 10_000)
    const perUser = options?.capacityPerUser ?? 100
    const hashSecret = SecretHash.make()
    /** Returns the keys of a user's tokens, the least recently used first. */
    const keysOf = (username: string): ReadonlyArray<string> =>
      Array.from(issued.entries()).flatMap(([key, grant]) => grant.username === username ? [key] : [])
    return {
      issue: ({ identity, version }) =>
        Effect.sync(() => {
          const token = Encoding.encodeBase64Url(crypto.getRandomValues(new Uint8Array(32)))
          const until = clock.unsafeCurrentTimeMillis() + lifetime
          const others = keysOf(identity.name)
          for (const key of others.slice(0, Math.max(0, others.length + 1 - perUser))) issued.delete(key)
          issued.set(hashSecret(token), { username: identity.name, version, until })
          return Redacted.make(token)
        }),
      find: (redacted) =>
        Effect.sync(() => {
          const token = Redacted.value(redacted)
          if (token.length > maxLength) return undefined
          const key = hashSecret(token)
          const grant = issued.get(key)
          if (grant === undefined || clock.unsafeCurrentTimeMillis() < grant.until) return grant
          issued.delete(key)
          return undefined
        }),
      revoke: (username) =>
        Effect.sync(() => {
          for (const key of keysOf(username)) issued.delete(key)
        })
    }
  })
