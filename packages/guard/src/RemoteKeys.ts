/**
 * The keys of a remote token server, which the token server publishes as a JSON Web Key Set.
 *
 * @since 0.1.0
 */
import * as HttpClient from "@effect/platform/HttpClient"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as jwks from "./internal/jwks.js"
import * as reload from "./internal/reload.js"
import * as TokenKeys from "./TokenKeys.js"

/**
 * Options for {@link make}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * The URL of a JSON Web Key Set. Any server that can answer at this URL can issue tokens: use https, except on the
   * same machine.
   */
  readonly url: string
  /**
   * How often the key set is read. The token server must publish a new key at least this long before it signs with the
   * key. Default: 5 minutes.
   */
  readonly refreshEvery?: Duration.DurationInput | undefined
}

/**
 * Reads the keys that a token server publishes, and reads them again at an interval until the scope closes. Fails if
 * the keys cannot be read at the start. If a later read fails, the known keys remain valid, and an error is logged.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { RemoteKeys, TokenVerifier } from "@effect-oci/guard"
 * import { Effect } from "effect"
 *
 * const verifier = Effect.gen(function*() {
 *   const keys = yield* RemoteKeys.make({ url: "https://auth.example.com/.well-known/jwks.json" })
 *   return yield* TokenVerifier.make({ issuer: "auth.example.com", audience: "registry.example.com", keys })
 * })
 * ```
 */
export const make = (
  options: Options
): Effect.Effect<TokenKeys.Verifying, TokenKeys.KeyInvalid, HttpClient.HttpClient | Scope.Scope> =>
  Effect.gen(function*() {
    const { refreshEvery = "5 minutes", url } = options
    const load = Effect.map(jwks.read(url, yield* HttpClient.HttpClient), TokenKeys.verifying)
    const current = yield* reload.make(load, refreshEvery)
    return { find: (id) => current().find(id), all: () => current().all() }
  })
