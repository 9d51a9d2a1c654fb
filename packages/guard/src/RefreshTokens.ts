/**
 * Refresh tokens: opaque tokens that a client stores in place of a password. They end when the password of the user
 * changes.
 *
 * @since 0.1.0
 */
import * as Digest from "@effect-oci/core/Digest"
import { LruMap } from "@effect-oci/core/LruMap"
import * as RegistryError from "@effect-oci/core/RegistryError"
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
 * A store of refresh tokens. Contains hashes of the tokens, so that a reader of the store cannot use them.
 *
 * @since 0.1.0
 * @category models
 */
export interface RefreshTokens {
  readonly issue: (
    account: Account & { readonly version: string }
  ) => Effect.Effect<Redacted.Redacted<string>, RegistryError.Unavailable>
  /** Returns the user of a token, or `undefined` if the token is unknown, expired or revoked. */
  readonly find: (token: Redacted.Redacted<string>) => Effect.Effect<Grant | undefined, RegistryError.Unavailable>
  /** Revokes all tokens of a user. */
  readonly revoke: (username: string) => Effect.Effect<void, RegistryError.Unavailable>
}

/**
 * A table of the hashes of refresh tokens that several servers share, such as `SqlRefreshTokens` of
 * `@effect-oci/store-sql`. Any error makes the token service answer 503.
 *
 * @since 0.1.0
 * @category models
 */
export interface Table {
  /**
   * Adds the hash of a token, which lives for `lifetime` milliseconds. Removes the oldest tokens of the user beyond
   * `capacityPerUser`.
   */
  readonly add: (
    token: Grant & { readonly hash: string; readonly lifetime: number; readonly capacityPerUser: number }
  ) => Effect.Effect<void, unknown>
  /** Returns the user of a token, or `undefined` if the table does not have the token or if its lifetime is over. */
  readonly find: (hash: string) => Effect.Effect<Grant | undefined, unknown>
  /** Removes all tokens of a user. */
  readonly remove: (username: string) => Effect.Effect<void, unknown>
}

/**
 * Options for {@link shared}.
 *
 * @since 0.1.0
 * @category models
 */
export interface SharedOptions {
  /** How long a token is valid. Default: 30 days. */
  readonly lifetime?: Duration.DurationInput | undefined
  /**
   * The number of tokens that are kept for one user, so that one user cannot end the tokens of others. Default: 100.
   */
  readonly capacityPerUser?: number | undefined
}

/**
 * Options for {@link make}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends SharedOptions {
  /** The number of tokens that are kept. If there are more, the least recently used end. Default: 10000. */
  readonly capacity?: number | undefined
}

const settingsOf = (options: SharedOptions | undefined) => ({
  lifetime: Duration.toMillis(options?.lifetime ?? "30 days"),
  capacityPerUser: options?.capacityPerUser ?? 100
})

/** Returns 256 random bits. */
const randomToken = (): string => Encoding.encodeBase64Url(crypto.getRandomValues(new Uint8Array(32)))

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
  Effect.map(Effect.clock, (clock): RefreshTokens => {
    const { capacityPerUser: perUser, lifetime } = settingsOf(options)
    const issued = new LruMap<string, Issued>(options?.capacity ?? 10_000)
    const hashSecret = SecretHash.make()
    /** Returns the keys of a user's tokens, the least recently used first. */
    const keysOf = (username: string): ReadonlyArray<string> =>
      Array.from(issued.entries()).flatMap(([key, grant]) => grant.username === username ? [key] : [])
    return {
      issue: ({ identity, version }) =>
        Effect.sync(() => {
          const token = randomToken()
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

/**
 * Creates a store of refresh tokens in a table that several servers share. The tokens survive a restart, and a revocation
 * is valid for all servers at once. A token has 256 random bits, so that its SHA-256 does not reveal it.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { RefreshTokens } from "@effect-oci/guard"
 * import { Effect } from "effect"
 *
 * const refreshTokens = (table: RefreshTokens.Table) => RefreshTokens.shared(table, { lifetime: "7 days" })
 * ```
 */
export const shared = (table: Table, options?: SharedOptions): RefreshTokens => {
  const settings = settingsOf(options)
  return {
    issue: ({ identity: { name: username }, version }) =>
      Effect.suspend(() => {
        const token = randomToken()
        const added = table.add({ hash: hashOf(token), username, version, ...settings })
        return Effect.as(available(added), Redacted.make(token))
      }),
    find: (redacted) => {
      const token = Redacted.value(redacted)
      return token.length > maxLength ? Effect.succeed(undefined) : available(table.find(hashOf(token)))
    },
    revoke: (username) => available(table.remove(username))
  }
}

const hashOf = (token: string): string => Digest.fromBytes(new TextEncoder().encode(token))

const available = <A>(effect: Effect.Effect<A, unknown>): Effect.Effect<A, RegistryError.Unavailable> =>
  Effect.mapError(
    effect,
    (cause) => new RegistryError.Unavailable({ reason: "the refresh tokens cannot be reached", cause })
  )
