/**
 * Authentication of requests: a transport that answers the challenges of registries.
 *
 * @since 0.1.0
 */
import type * as AuthScope from "@effect-oci/core/AuthScope"
import { LruMap } from "@effect-oci/core/LruMap"
import * as Origin from "@effect-oci/transport/Origin"
import * as Transport from "@effect-oci/transport/Transport"
import * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Challenge from "./Challenge.js"
import * as Credentials from "./Credentials.js"
import * as flows from "./internal/flow.js"
import * as lookups from "./internal/lookup.js"
import * as TokenCache from "./TokenCache.js"
import * as TokenExchange from "./TokenExchange.js"

/**
 * What is known about a registry before the first request, such as values that another process received from it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Known {
  /** The value of the registry's `WWW-Authenticate` header. */
  readonly challenge: string
  readonly token?: {
    readonly value: string | Redacted.Redacted
    readonly scope: AuthScope.AuthScope
    /** When the token expires, in milliseconds since 1970. Default: never. */
    readonly expiresAt?: number | undefined
  } | undefined
}

/**
 * Options for {@link transport} and {@link layer}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends TokenExchange.Options {
  /**
   * The origin of the registry: `https://registry.example.com`. Requests to any other origin, such as the target of a
   * redirect, get no credentials. Default: the origin of each request counts as a registry of its own, and the request
   * gets the credentials for that origin. An invalid URL is a mistake in the program, and causes a defect.
   */
  readonly origin?: string | undefined
  /**
   * Token servers that may receive credentials although their domain is not the domain of the registry: an origin
   * (`https://auth.example.net`), or a URL with a path.
   */
  readonly trustedRealms?: ReadonlyArray<string> | undefined
  /**
   * The scope that tokens are requested for.
   *
   * - `"operation"`: the scope that the operation requires, and what a challenge names for the repositories of the
   *   operation.
   * - `"challenge"`: the scope of the challenge as it is written. Use it only for a registry whose proxy rewrites
   *   repository names, or whose scopes are opaque (`aws`): such a registry can make the client request a token for any
   *   repository of its token server.
   *
   * @default "operation"
   */
  readonly scopes?: "operation" | "challenge" | undefined
  /** What is known about the registry at `origin` before the first request. */
  readonly known?: Known | undefined
}

/**
 * A transport that authenticates requests. Requests to token servers use `tokenServers`. Default: the same `client`.
 * `tokenServers` must not follow redirects itself: the token exchange follows them by stricter rules.
 *
 * @since 0.1.0
 * @category models
 */
export interface Authenticating {
  (client: HttpClient.HttpClient, tokenServers?: HttpClient.HttpClient): HttpClient.HttpClient
}

/**
 * Creates a transport that answers the challenges of registries with the `Credentials` in the context of this effect,
 * or anonymously without credentials. The transport works with any client, without the other packages of this project.
 *
 * - Before the first 401 the transport sends only a registry token. Then it answers the challenge: `Bearer` with a
 *   token of the token server, or `Basic`. It sends the request again if the body can be sent again
 *   (`Transport.isReplayable`). Before a body that cannot be sent again, it gets a token first.
 * - The transport keeps tokens, renews them, and shares them between all requests that they allow. A request requires
 *   the scope `RequestScope.required`. Default: the scope that its URL implies. The transport requests a token for that
 *   scope and for `RequestScope.hint`. It ignores other repositories in a challenge, unless `scopes` is `"challenge"`.
 * - Credentials and tokens go only to the origin that they belong to. A token server receives credentials only if
 *   `Realm.judge` trusts it. On the target of a redirect, the transport answers a challenge once, anonymously.
 *
 * A request that already has an `Authorization` header is sent unchanged. Fails with a `RequestError` whose `cause` is
 * a `RegistryError`: `Unauthorized`, `Denied`, `RealmRefused`, `CredentialError`, or the error of the token server. A
 * 401 whose challenge the transport cannot answer is returned as the response.
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
    const home = options.origin === undefined
      ? undefined
      : yield* Effect.orDie(Effect.fromNullable(Origin.parse(options.origin)))
    const lookup = yield* lookups.make(yield* Credentials.Credentials)
    const cache = yield* TokenCache.make
    const challenges = new LruMap<string, Challenge.Challenge>(1000)
    const knownChallenge = options.known === undefined
      ? undefined
      : Challenge.preferred(Challenge.parse(options.known.challenge))
    if (home !== undefined && knownChallenge !== undefined) challenges.set(Origin.format(home), knownChallenge)
    return (client, tokenServers = client) =>
      Transport.make(
        flows.make({
          home,
          lookup,
          cache,
          challenges,
          trustedRealms: options.trustedRealms ?? [],
          scopes: options.scopes ?? "operation",
          initialToken: initialTokenOf(options.known),
          exchange: TokenExchange.make(tokenServers, options)
        })
      )(client)
  })

const initialTokenOf = (known: Known | undefined): TokenExchange.Token | undefined => {
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
 * Creates a layer that requires an HTTP client, and provides that client with {@link transport} around it.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<HttpClient.HttpClient, never, HttpClient.HttpClient> =>
  Layer.effect(
    HttpClient.HttpClient,
    Effect.zipWith(transport(options), HttpClient.HttpClient, (wrap, client) => wrap(client))
  )
