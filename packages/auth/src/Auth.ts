/**
 * Authentication of requests: a transport that answers the challenges of registries.
 *
 * @since 0.1.0
 */
import type * as AuthScope from "@effect-oci/core/AuthScope"
import * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Challenge from "./Challenge.js"
import * as Credentials from "./Credentials.js"
import * as Bounded from "./internal/bounded.js"
import * as flows from "./internal/flow.js"
import * as lookups from "./internal/lookup.js"
import * as Origin from "./Origin.js"
import * as TokenCache from "./TokenCache.js"
import * as TokenExchange from "./TokenExchange.js"
import * as Transport from "./Transport.js"

/**
 * What is known of a registry before it is asked: as another process has learnt it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Known {
  /** The value of its `WWW-Authenticate`. */
  readonly challenge: string
  readonly token?: {
    readonly value: string | Redacted.Redacted
    readonly scope: AuthScope.AuthScope
    /** In milliseconds since 1970; without end if not given. */
    readonly expiresAt?: number | undefined
  } | undefined
}

/**
 * How requests are authenticated.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends TokenExchange.Options {
  /**
   * Where the registry is: `https://registry.example.com`. Requests that go elsewhere, because the registry said so, then
   * get no credentials at all. If not given, each request is taken to go where the program wanted it to, and gets what
   * is known of that place. What is no URL is a mistake in the program, and a defect.
   */
  readonly origin?: string | undefined
  /**
   * Token servers that get to see credentials though they are on another domain than their registry:
   * `https://auth.example.net`, or with a path.
   */
  readonly trustedRealms?: ReadonlyArray<string> | undefined
  /**
   * What tokens are requested for. `"operation"`: what the operation requires, and what a challenge names of its own
   * repositories. `"challenge"`: the scope of the challenge as it is written. Use it only for a registry whose proxy
   * rewrites the names of repositories, or whose scopes are opaque (`aws`): such a registry can request a token for any
   * repository of its token server.
   *
   * @default "operation"
   */
  readonly scopes?: "operation" | "challenge" | undefined
  /** What is known of the registry at `origin` already. */
  readonly known?: Known | undefined
}

/**
 * A transport that authenticates requests. Token servers are asked by another client where one is given: it should leave
 * redirects alone, which are followed here by stricter rules.
 *
 * @since 0.1.0
 * @category models
 */
export interface Authenticating {
  (client: HttpClient.HttpClient, tokenServers?: HttpClient.HttpClient): HttpClient.HttpClient
}

/**
 * A transport that adds what a registry asks for, with the `Credentials` that are provided where it is made, or as
 * nobody in particular. It can be used with any client, beside everything else of this project.
 *
 * - Nothing is sent before the first 401 but a registry token. Then the challenge is answered: Bearer with a token of
 *   its token server, or Basic. The request is sent again once, if its body can be (`Transport.isReplayable`); one whose
 *   body cannot be makes sure of a token first.
 * - Tokens are kept, renewed, and shared by all requests that they allow. What a request needs is
 *   `AuthScope.required`, or else what its URL says; a token is asked for that and `AuthScope.hint`, and never for what
 *   a challenge says of other repositories, unless `scopes` is `"challenge"`.
 * - Credentials and tokens go to the origin that they are for, and to no other, wherever a registry leads; a token
 *   server sees them only as `Realm.judge` allows. What a redirect leads to is asked as nobody, once.
 *
 * A request with an `Authorization` header of its own is sent as it is. Errors are `RequestError`s, of which the `cause`
 * is one of `RegistryError`: `Unauthorized`, `Denied`, `RealmRefused`, `CredentialError`, or what the token server said.
 * A 401 that there is no answer to stays as it is.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Auth, Credential, Credentials } from "@effect-oci/auth"
 * import { FetchHttpClient, HttpClient } from "@effect/platform"
 * import { Effect, Layer } from "effect"
 *
 * const tags = Effect.flatMap(HttpClient.HttpClient, (client) =>
 *   client.get("https://registry.example.com/v2/team/app/tags/list"))
 *
 * const program = tags.pipe(
 *   Effect.provide(
 *     Auth.layer().pipe(
 *       Layer.provide(Credentials.layerStatic({ "registry.example.com": Credential.basic("alice", "secret") })),
 *       Layer.provide(FetchHttpClient.layer)
 *     )
 *   )
 * )
 * ```
 */
export const transport = (options: Options = {}): Effect.Effect<Authenticating> =>
  Effect.gen(function*() {
    const home = options.origin === undefined ? undefined : yield* Effect.orDie(Origin.parse(options.origin))
    const lookup = yield* lookups.make(yield* Credentials.Credentials)
    const cache = yield* TokenCache.make
    const challenges = Bounded.make<Challenge.Challenge>(1000)
    const told = options.known === undefined ? undefined : Challenge.preferred(Challenge.parse(options.known.challenge))
    if (home !== undefined && told !== undefined) challenges.set(Origin.format(home), told)
    return (client, tokenServers = client) =>
      Transport.make(
        flows.make({
          home,
          lookup,
          cache,
          challenges,
          trustedRealms: options.trustedRealms ?? [],
          scopes: options.scopes ?? "operation",
          seed: seedOf(options.known),
          exchange: TokenExchange.make(tokenServers, options)
        })
      )(client)
  })

const seedOf = (known: Known | undefined): TokenExchange.Token | undefined => {
  if (known?.token === undefined) return undefined
  const { expiresAt = Number.POSITIVE_INFINITY, scope, value } = known.token
  return {
    value: typeof value === "string" ? Redacted.make(value) : value,
    scope,
    expiresAt,
    refreshToken: undefined
  }
}

/**
 * The HTTP client, within {@link transport}.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<HttpClient.HttpClient, never, HttpClient.HttpClient> =>
  Layer.effect(
    HttpClient.HttpClient,
    Effect.zipWith(transport(options), HttpClient.HttpClient, (wrap, client) => wrap(client))
  )
