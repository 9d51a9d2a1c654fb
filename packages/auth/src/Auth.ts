/**
 * Authentication of requests: a transport that answers the challenges of registries.
 *
 * @since 0.1.0
 */
import * as LazyModule from "@effect-oci/core/LazyModule"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Origin from "@effect-oci/transport/Origin"
import * as Transport from "@effect-oci/transport/Transport"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Layer from "effect/Layer"
import * as Credentials from "./CredentialsModel.js"
import type * as Authentication from "./internal/authentication.js"
import type { Options } from "./internal/authOptions.js"
import { withoutSecrets } from "./internal/withoutSecrets.js"

export type { Known, Options } from "./internal/authOptions.js"

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
    const credentials = yield* Credentials.Credentials
    const clock = yield* Effect.clock
    let make: ReturnType<typeof Authentication.make> | undefined
    return (client, tokenServers = client) => {
      let made: Authentication.Authentication | undefined
      const authentication = Effect.map(
        authenticationModule,
        (module) => made ??= (make ??= module.make({ options, home, credentials, clock }))(tokenServers)
      )
      const mayHaveCredential = () =>
        made !== undefined || credentials !== Credentials.none || options.known !== undefined
      return authenticate(home, mayHaveCredential, authentication)(client)
    }
  })

/** The flow of challenges and tokens. It is loaded when there are credentials, or at the first challenge. */
const authenticationModule = LazyModule.make(() => import("./internal/authentication.js"))

const authenticate = (
  home: Origin.Origin | undefined,
  mayHaveCredential: () => boolean,
  authentication: Effect.Effect<Authentication.Authentication, RegistryError.RegistryError>
): Transport.Transport => {
  const homeText = home === undefined ? undefined : Origin.format(home)
  const originOf = (url: string) => homeText !== undefined && Origin.isAt(homeText, url) ? home : Origin.parse(url)
  return Transport.makeIn((request, within, send) => {
    const origin = originOf(request.url)
    if (request.headers["authorization"] !== undefined || origin === undefined) return send(request, within)
    const input = { request, within, send, origin }
    const isHome = home === undefined || Equal.equals(home, origin)
    const result = Effect.suspend(() =>
      isHome && mayHaveCredential()
        ? Effect.flatMap(authentication, ({ send }) => send(input))
        : Effect.flatMap(send(request, within), (response) =>
          response.status === 401
            ? Effect.flatMap(
              authentication,
              ({ answer, answerAnonymously }) => (isHome ? answer : answerAnonymously)(input, response)
            )
            : Effect.succeed(response))
    )
    return Effect.mapError(result, (error) =>
      RegistryError.isRegistryError(error)
        ? new HttpClientError.RequestError({ request, reason: "Transport", cause: error, description: error.message })
        : withoutSecrets(error))
  })
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
