/**
 * A cache of tokens until they expire.
 *
 * @since 0.1.0
 */
import * as AuthScope from "@effect-oci/core/AuthScope"
import { LruMap } from "@effect-oci/core/LruMap"
import { SingleFlight } from "@effect-oci/core/SingleFlight"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import type { Credential } from "./Credential.js"
import type { Token } from "./TokenExchange.js"

/**
 * The key of a token. A token is used only for requests with an equal key.
 *
 * @since 0.1.0
 * @category models
 */
export class Key extends Data.Class<{
  /** The origin of the registry, as `Origin.format` returns it. */
  readonly origin: string
  readonly realm: string
  readonly service: string | undefined
  /** The credential that the token was issued for. */
  readonly credential: Credential
}> {}

/**
 * Tokens by key and scope. A token serves for each scope that it contains, until 5 seconds before it expires.
 *
 * @since 0.1.0
 * @category models
 */
export interface TokenCache {
  /** Returns a cached token that allows the scope. */
  readonly find: (key: Key, scope: AuthScope.AuthScope) => Token | undefined
  /**
   * Gets a token for a scope, and caches it. Concurrent callers with the same key and scope share one exchange. A
   * failure is not cached.
   */
  readonly acquire: <E>(
    key: Key,
    scope: AuthScope.AuthScope,
    exchange: Effect.Effect<Token, E>
  ) => Effect.Effect<Token, E>
  readonly put: (key: Key, token: Token) => void
  /** Removes a token that the registry refused. */
  readonly drop: (key: Key, token: Token) => void
}

/**
 * How long before its expiry a token is no longer used, in milliseconds: a request takes time to arrive.
 *
 * @since 0.1.0
 * @category constants
 */
export const margin = 5000

interface CachedToken {
  readonly key: Key
  readonly token: Token
}

/** The number of tokens that are kept for one realm. If there are more, the oldest are removed. */
const maxTokensPerRealm = 100

/**
 * Creates a cache of up to 100 tokens for each realm of each registry, and of up to 1000 realms. The tokens are in
 * memory only.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<TokenCache> = Effect.map(Effect.clock, (clock): TokenCache => {
  const tokensByRealm = new LruMap<string, ReadonlyArray<CachedToken>>(1000)
  const inFlight = new SingleFlight<unknown, Token, unknown>()
  const realmKey = ({ origin, realm, service = "" }: Key): string => `${origin} ${realm} ${service}`
  const isGood = ({ expiresAt }: Token): boolean => expiresAt - margin > clock.unsafeCurrentTimeMillis()

  const put = (key: Key, token: Token) => {
    const cached = (tokensByRealm.get(realmKey(key)) ?? []).filter(({ token }) => isGood(token))
    tokensByRealm.set(realmKey(key), [{ key, token }, ...cached].slice(0, maxTokensPerRealm))
  }

  return {
    find: (key, scope) =>
      tokensByRealm.get(realmKey(key))?.find((cached) =>
        AuthScope.contains(cached.token.scope, scope) && Equal.equals(cached.key, key) && isGood(cached.token)
      )?.token,
    acquire: <E>(key: Key, scope: AuthScope.AuthScope, exchange: Effect.Effect<Token, E>) =>
      inFlight.share(
        Data.tuple(key, AuthScope.format(AuthScope.canonical(scope))),
        Effect.tap(exchange, (token) => Effect.sync(() => put(key, token)))
      ) as Effect.Effect<Token, E>,
    put,
    drop: (key, token) => {
      const cached = tokensByRealm.get(realmKey(key))
      if (cached !== undefined) tokensByRealm.set(realmKey(key), cached.filter((other) => other.token !== token))
    }
  }
})
