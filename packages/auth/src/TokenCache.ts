/**
 * A cache of tokens until they expire.
 *
 * @since 0.1.0
 */
import * as AuthScope from "@effect-oci/core/AuthScope"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import type { Credential } from "./Credential.js"
import * as Bounded from "./internal/bounded.js"
import * as singleFlight from "./internal/singleFlight.js"
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

interface Held {
  readonly key: Key
  readonly token: Token
}

/** The number of tokens that are kept for one realm. If there are more, the oldest are removed. */
const most = 100

/**
 * Creates a cache of up to 100 tokens for each realm of each registry, and of up to 1000 realms. The tokens are in
 * memory only.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<TokenCache> = Effect.map(Effect.clock, (clock): TokenCache => {
  const shelves = Bounded.make<ReadonlyArray<Held>>(1000)
  const flights = singleFlight.make<unknown, Token, unknown>()
  const shelf = ({ origin, realm, service = "" }: Key): string => `${origin} ${realm} ${service}`
  const isGood = ({ expiresAt }: Token): boolean => expiresAt - margin > clock.unsafeCurrentTimeMillis()

  const put = (key: Key, token: Token) => {
    const held = (shelves.get(shelf(key)) ?? []).filter(({ token }) => isGood(token))
    shelves.set(shelf(key), [{ key, token }, ...held].slice(0, most))
  }

  return {
    find: (key, scope) =>
      shelves.get(shelf(key))?.find((held) =>
        AuthScope.contains(held.token.scope, scope) && Equal.equals(held.key, key) && isGood(held.token)
      )?.token,
    acquire: <E>(key: Key, scope: AuthScope.AuthScope, exchange: Effect.Effect<Token, E>) =>
      flights(
        Data.tuple(key, AuthScope.format(AuthScope.canonical(scope))),
        Effect.tap(exchange, (token) => Effect.sync(() => put(key, token)))
      ) as Effect.Effect<Token, E>,
    put,
    drop: (key, token) => {
      const held = shelves.get(shelf(key))
      if (held !== undefined) shelves.set(shelf(key), held.filter((one) => one.token !== token))
    }
  }
})
