/**
 * Refresh tokens: what a client keeps in place of a password. They are opaque, and end with the password that they were
 * given for.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Redacted from "effect/Redacted"
import * as Bounded from "./internal/bounded.js"
import * as Keyed from "./internal/keyed.js"
import type { Account } from "./Users.js"

/**
 * For whom a refresh token was given: `version` is that of the account at that time.
 *
 * @since 0.1.0
 * @category models
 */
export interface Grant {
  readonly username: string
  readonly version: string
}

/**
 * The refresh tokens that were given out. Servers that stand side by side, or that should know them after a restart, have
 * one of their own: it keeps tokens as one keeps passwords, by a hash.
 *
 * @since 0.1.0
 * @category models
 */
export interface RefreshTokens {
  readonly issue: (account: Account) => Effect.Effect<Redacted.Redacted<string>>
  /** For whom a token was given, if it counts. */
  readonly find: (token: Redacted.Redacted<string>) => Effect.Effect<Grant | undefined>
  /** All tokens of a user end. */
  readonly revoke: (username: string) => Effect.Effect<void>
}

/**
 * How long refresh tokens count, and how many.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** How long a token counts: 30 days if not given. */
  readonly lifetime?: Duration.DurationInput | undefined
  /** How many are remembered: 10000 if not given. Of more, those that were not used for the longest time end. */
  readonly capacity?: number | undefined
  /** How many of one user are: 100 if not given, so that nobody ends those of others. */
  readonly capacityPerUser?: number | undefined
}

interface Issued extends Grant {
  readonly until: number
}

/** Longer than any that was given out, in characters. */
const maxLength = 256

/**
 * Refresh tokens in memory, which end with the process.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options?: Options): Effect.Effect<RefreshTokens> =>
  Effect.map(Effect.clock, (clock) => {
    const lifetime = Duration.toMillis(options?.lifetime ?? "30 days")
    const issued = Bounded.make<Issued>(options?.capacity ?? 10_000)
    const perUser = options?.capacityPerUser ?? 100
    const keyed = Keyed.make()
    /** The keys of a user's tokens, the least recently used first. */
    const keysOf = (username: string): ReadonlyArray<string> =>
      Array.from(issued.entries()).flatMap(([key, grant]) => grant.username === username ? [key] : [])
    return {
      issue: ({ identity, version }) =>
        Effect.sync(() => {
          const token = Encoding.encodeBase64Url(crypto.getRandomValues(new Uint8Array(32)))
          const until = clock.unsafeCurrentTimeMillis() + lifetime
          const others = keysOf(identity.name)
          for (const key of others.slice(0, Math.max(0, others.length + 1 - perUser))) issued.delete(key)
          issued.set(keyed(token), { username: identity.name, version, until })
          return Redacted.make(token)
        }),
      find: (redacted) =>
        Effect.sync(() => {
          const token = Redacted.value(redacted)
          if (token.length > maxLength) return undefined
          const key = keyed(token)
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
