/**
 * Tokens that were given, for as long as they are good.
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
 * Whose a token is: it is used for nobody else, and nowhere else.
 *
 * @since 0.1.0
 * @category models
 */
export class Key extends Data.Class<{
  /** The registry that it is for, as `Origin` writes it. */
  readonly origin: string
  readonly realm: string
  readonly service: string | undefined
  /** What was shown for it. */
  readonly credential: Credential
}> {}

/**
 * Tokens by key and scope. One that contains a scope serves for it, up to 5 seconds before it ends.
 *
 * @since 0.1.0
 * @category models
 */
export interface TokenCache {
  /** A token that is there already and allows this much. */
  readonly find: (key: Key, scope: AuthScope.AuthScope) => Token | undefined
  /**
   * Gets a token for a scope, and keeps it. Callers with the same key and scope at the same time get the same one. A
   * failure is not kept.
   */
  readonly acquire: <E>(
    key: Key,
    scope: AuthScope.AuthScope,
    exchange: Effect.Effect<Token, E>
  ) => Effect.Effect<Token, E>
  readonly put: (key: Key, token: Token) => void
  /** Forgets a token that was refused. */
  readonly drop: (key: Key, token: Token) => void
}

/**
 * How long before its end a token is not used any more, in milliseconds: a request takes time to arrive.
 *
 * @since 0.1.0
 * @category constants
 */
export const margin = 5000

interface Held {
  readonly key: Key
  readonly token: Token
}

/** The most tokens of one realm that are kept: the oldest go first. */
const most = 100

/**
 * A cache of up to 100 tokens for each realm of each registry, and for up to 1000 of these. They are in memory only.
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
