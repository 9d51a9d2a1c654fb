/**
 * A token service. It authenticates users, and issues tokens that say what a user may do at a registry for a few
 * minutes.
 *
 * @since 0.1.0
 */
import * as AuthScope from "@effect-oci/core/AuthScope"
import * as Body from "@effect-oci/core/Body"
import * as Caller from "@effect-oci/core/Caller"
import type * as RegistryError from "@effect-oci/core/RegistryError"
import * as RepositoryName from "@effect-oci/core/RepositoryName"
import * as ErrorBody from "@effect-oci/protocol/ErrorBody"
import type * as Wire from "@effect-oci/protocol/Wire"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as jose from "jose"
import type { IdTokens } from "./IdTokens.js"
import * as accessClaim from "./internal/accessClaim.js"
import * as accounts from "./internal/accounts.js"
import * as tokenRequest from "./internal/tokenRequest.js"
import type { Policy } from "./Policy.js"
import * as RefreshTokens from "./RefreshTokens.js"
import * as TokenKeys from "./TokenKeys.js"
import type { Account, Users } from "./Users.js"

/**
 * Options for {@link make}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The issuer: the claim `iss` of the tokens. Configure the registry with the same value. */
  readonly issuer: string
  /** The name of the registry: the claim `aud` of the tokens. Requests for any other service are refused. */
  readonly service: string
  /** The keys: the first one signs, all verify. Nodes of one registry share them. `docker-registry` requires ES256 or RS256. */
  readonly keys: TokenKeys.Signing
  /** The users who may log in. */
  readonly users: Users
  /**
   * The ID tokens of other issuers that callers may exchange for a token of this service, or use as a password. Their
   * rules decide what the callers may do, in place of the policy.
   */
  readonly idTokens?: IdTokens | undefined
  /** The policy that decides which part of the requested scope a caller is granted, including anonymous callers. */
  readonly policy: Policy
  /**
   * How long a token is valid. Clients expect at least one minute.
   *
   * @default "5 minutes"
   */
  readonly lifetime?: Duration.DurationInput | undefined
  /**
   * The store of refresh tokens. Nodes of one registry share it: see `RefreshTokens.shared`.
   *
   * @default in memory, for 30 days
   */
  readonly refreshTokens?: RefreshTokens.RefreshTokens | undefined
  /**
   * Returns the address of a request's client, by which wrong passwords are counted. See the option `address` of
   * `Guard`.
   */
  readonly address?: ((request: Wire.Request) => string | undefined) | undefined
}

/**
 * A token service: functions from a plain request to an effect of a plain response. The option `mounts` of
 * `RegistryServer` and `NodeRegistryServer` accepts them, and `RegistryServer.toHttpApp` converts each to an app of
 * `@effect/platform`.
 *
 * @since 0.1.0
 * @category models
 */
export interface TokenService {
  /** Issues tokens, by GET and POST. */
  readonly answer: (request: Wire.Request) => Effect.Effect<Wire.Response>
  /** Returns the public keys as a JSON Web Key Set, by GET. */
  readonly jwks: (request: Wire.Request) => Effect.Effect<Wire.Response>
  /** Revokes the refresh tokens of a user. Access tokens that were issued for them remain valid until they expire. */
  readonly revoke: (username: string) => Effect.Effect<void, RegistryError.Unavailable>
}

const exchangeUnsupported = new tokenRequest.InvalidTokenRequest({
  status: 400,
  code: "unsupported_grant_type",
  reason: "this token service does not exchange tokens"
})

type Failure = tokenRequest.InvalidTokenRequest | RegistryError.RegistryError

/**
 * Creates a response that caches must not store:
 * [RFC 6749, section 5.1](https://www.rfc-editor.org/rfc/rfc6749#section-5.1).
 */
const json = (status: number, content: unknown, headers?: Wire.Headers): Wire.Response => ({
  status,
  headers: { "content-type": "application/json", "cache-control": "no-store", ...headers },
  body: Body.bytes(new TextEncoder().encode(JSON.stringify(content)))
})

const invalidGrant = new tokenRequest.InvalidTokenRequest({
  status: 400,
  code: "invalid_grant",
  reason: "the refresh token is unknown, expired or revoked"
})

/**
 * Encodes an error. For POST: as [RFC 6749, section 5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2) requires.
 * For other methods: as an error of the distribution spec, with a challenge if the password was wrong.
 */
const encodeFailure = (failure: Failure, method: string): Wire.Response => {
  if (failure._tag === "InvalidTokenRequest") {
    const { code, headers, reason, status } = failure
    return json(status, { error: code, error_description: reason }, headers)
  }
  const response = ErrorBody.encode(failure)
  const headers: Wire.Headers = { ...response.headers, "cache-control": "no-store" }
  if (failure._tag !== "OciUnauthorized") return { ...response, headers }
  return method === "POST"
    ? json(400, { error: "invalid_grant", error_description: failure.reason })
    : { ...response, headers: { ...headers, "www-authenticate": `Basic realm="token"` } }
}

/**
 * The grammar of a type, with or without a class, and of an action:
 * [token scopes](https://distribution.github.io/distribution/spec/auth/scope/).
 */
const typeForm = /^[a-z0-9]+(\([a-z0-9]+\))?$/
const actionForm = /^([a-z]+|\*)$/

/**
 * Returns the part of a scope that matches the grammar. A policy compares text: `alice/../admin` begins with `alice/`,
 * but a registry may resolve it to another repository.
 */
const wellFormed = (scope: AuthScope.AuthScope): AuthScope.AuthScope =>
  AuthScope.make(
    AuthScope.values(scope).filter(({ action, resource, type }) =>
      typeForm.test(type) && RepositoryName.is(resource) && actionForm.test(action)
    )
  )

/**
 * Creates a token service for one registry. It never grants names, types and actions outside the grammar, and the
 * policy does not receive them. A token grants the part of the requested scope that the policy grants. That part may be
 * empty: the client then receives the refusal from the registry.
 *
 * - GET, with Basic credentials or anonymously. Parameters: `service`, `scope` (any number of times),
 *   `offline_token=true` for a refresh token. The token is for the user of the credentials, and the parameter `account`
 *   is ignored.
 * - POST, with a form. Fields: `grant_type=password` with `username` and `password`, or `grant_type=refresh_token` with
 *   `refresh_token`; `service`, `scope` (separated by spaces), `access_type=offline` for a refresh token.
 * - POST, with an ID token in exchange, if the service has the option `idTokens`: fields
 *   `grant_type=urn:ietf:params:oauth:grant-type:token-exchange`, `subject_token`, `subject_token_type` (`id_token` or
 *   `jwt`), `service` or `audience`, `scope` ([RFC 8693](https://www.rfc-editor.org/rfc/rfc8693#section-2.1)).
 *
 * A refresh token ends when the user's password changes, when the user is removed, by `revoke`, and when it expires.
 * Specs: [token authentication](https://distribution.github.io/distribution/spec/auth/token/) and
 * [OAuth2 token authentication](https://distribution.github.io/distribution/spec/auth/oauth/).
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Policy, TokenKeys, TokenService } from "@effect-oci/guard"
 * import * as NodeHtpasswd from "@effect-oci/guard/NodeHtpasswd"
 * import { Effect } from "effect"
 *
 * const tokens = Effect.gen(function*() {
 *   const users = yield* NodeHtpasswd.make({ path: "/etc/registry/htpasswd" })
 *   const keys = yield* TokenKeys.ring(yield* TokenKeys.config("TOKEN_KEY"))
 *   const policy = Policy.authenticated
 *   return yield* TokenService.make({ issuer: "example.com", service: "registry.example.com", keys, users, policy })
 * })
 * ```
 */
export const make = (options: Options): Effect.Effect<TokenService> =>
  Effect.map(
    options.refreshTokens === undefined ? RefreshTokens.make() : Effect.succeed(options.refreshTokens),
    (refreshTokens) => {
      const { idTokens, keys, policy, service } = options
      const users = idTokens === undefined ? options.users : accounts.withIdTokens(options.users, idTokens)
      const addressOf = options.address ?? ((request) => request.remoteAddress)
      const lifetime = Math.floor(Duration.toSeconds(options.lifetime ?? "5 minutes"))

      /** Authenticates the caller. Returns the caller's account, or `undefined` for an anonymous caller. */
      const authenticate = (
        { proof }: tokenRequest.TokenRequest,
        request: Wire.Request
      ): Effect.Effect<Account | undefined, Failure> => {
        switch (proof._tag) {
          case "None":
            return Effect.sync(() => undefined)
          case "Password":
            return users.check({ ...proof, address: addressOf(request) })
          case "IdToken":
            return idTokens === undefined ? exchangeUnsupported : Effect.catchTag(
              idTokens.verify(proof.token),
              "OciTokenInvalid",
              ({ reason }) => new tokenRequest.InvalidTokenRequest({ status: 400, code: "invalid_request", reason })
            )
          case "Refresh":
            return Effect.gen(function*() {
              const grant = yield* refreshTokens.find(proof.token)
              const account = grant === undefined ? undefined : yield* users.find(grant.username)
              if (account === undefined || account.version !== grant?.version) return yield* invalidGrant
              return account
            })
        }
      }

      const issueToken = (request: Wire.Request): Effect.Effect<Wire.Response, Failure> =>
        Effect.gen(function*() {
          const parsed = yield* tokenRequest.read(request)
          if (parsed.service !== undefined && parsed.service !== service) {
            const reason = "this token service issues no tokens for that service"
            return yield* new tokenRequest.InvalidTokenRequest({ status: 400, code: "invalid_request", reason })
          }
          const account = yield* authenticate(parsed, request)
          const caller = account?.identity ?? Caller.anonymous
          const requested = wellFormed(parsed.scope)
          const decide = account === undefined ? policy : accounts.policyOf(account, policy)
          const granted = AuthScope.intersection(requested, yield* decide(caller, requested))
          const now = Math.floor((yield* Clock.currentTimeMillis) / 1000)
          const token = yield* sign(options, lifetime, caller, granted, now)
          const version = parsed.offline && parsed.proof._tag === "Password" ? account?.version : undefined
          return json(200, {
            token,
            access_token: token,
            expires_in: lifetime,
            issued_at: DateTime.formatIso(DateTime.unsafeMake(now * 1000)),
            scope: AuthScope.format(AuthScope.canonical(granted)),
            ...(parsed.proof._tag === "IdToken" ? tokenRequest.exchanged : {}),
            ...(account === undefined || version === undefined
              ? {}
              : { refresh_token: Redacted.value(yield* refreshTokens.issue({ ...account, version })) })
          })
        })

      return {
        answer: (request) =>
          Effect.catchAll(issueToken(request), (failure) => Effect.succeed(encodeFailure(failure, request.method))),
        jwks: ({ method }) =>
          method === "GET" || method === "HEAD"
            ? Effect.map(TokenKeys.toJwks(keys.all()), (set) => json(200, set, { "cache-control": "max-age=60" }))
            : Effect.succeed(
              json(405, { error: "invalid_request", error_description: "request the keys with GET" }, {
                allow: "GET, HEAD"
              })
            ),
        revoke: refreshTokens.revoke
      }
    }
  )

/** Signs an access token. `lifetime` and `now` are in seconds. */
const sign = (
  { issuer, keys, service }: Options,
  lifetime: number,
  caller: Caller.Identity,
  granted: AuthScope.AuthScope,
  now: number
) =>
  Effect.promise(() => {
    const { algorithm, id, privateKey } = keys.signing()
    return new jose.SignJWT({ access: accessClaim.fromScope(granted) })
      .setProtectedHeader({ typ: "JWT", alg: algorithm, kid: id })
      .setIssuer(issuer)
      .setSubject(caller.name ?? "")
      .setAudience(service)
      .setIssuedAt(now)
      .setNotBefore(now)
      .setExpirationTime(now + lifetime)
      .setJti(crypto.randomUUID())
      .sign(privateKey)
  })
