/**
 * The exchange of credentials for a token at a token server.
 *
 * @since 0.1.0
 */
import * as AuthScope from "@effect-oci/core/AuthScope"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as ErrorBody from "@effect-oci/protocol/ErrorBody"
import * as RetryAfter from "@effect-oci/protocol/RetryAfter"
import { format } from "@effect-oci/transport/Origin"
import type { Origin } from "@effect-oci/transport/Origin"
import * as Redaction from "@effect-oci/transport/Redaction"
import * as Transport from "@effect-oci/transport/Transport"
import * as Headers from "@effect/platform/Headers"
import * as HttpClient from "@effect/platform/HttpClient"
import type { HttpClientError } from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { constTrue } from "effect/Function"
import * as Redacted from "effect/Redacted"
import * as Credential from "./Credential.js"
import { advice } from "./internal/advice.js"
import { basicAuth } from "./internal/basicAuth.js"
import * as boundedBody from "./internal/boundedBody.js"
import * as tokenResponse from "./internal/tokenResponse.js"
import { withoutSecrets } from "./internal/withoutSecrets.js"
import * as Realm from "./Realm.js"

/**
 * A request for a token.
 *
 * @since 0.1.0
 * @category models
 */
export interface TokenRequest {
  /** The registry that accepts the token. */
  readonly origin: Origin
  readonly realm: URL
  /** Whether the realm is trusted, and therefore receives the `headers` of {@link Options}. Default: true. */
  readonly isTrusted?: boolean | undefined
  readonly service: string | undefined
  readonly scope: AuthScope.AuthScope
  /** The credentials. An identity token is preferred to a password. Registry tokens are ignored. */
  readonly entry: Credential.Entry
}

/**
 * A token, and the scope that it allows.
 *
 * @since 0.1.0
 * @category models
 */
export interface Token {
  readonly value: Redacted.Redacted
  /** The scope that was requested. */
  readonly scope: AuthScope.AuthScope
  /** When the token expires, in milliseconds since 1970, by the clock of this machine. */
  readonly expiresAt: number
  /** The new identity token, if the token server replaced the one that was sent. */
  readonly refreshToken: Redacted.Redacted | undefined
}

/**
 * Options for {@link make}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The OAuth2 client id of the program. Default: `effect-oci`. */
  readonly clientId?: string | undefined
  /**
   * Whether a password is first sent in a form, by the OAuth2 `password` grant. Default: false, the password is sent by
   * GET with Basic authentication.
   */
  readonly oauth2?: boolean | undefined
  /** Headers for requests to token servers that `Realm.judge` trusts. Other servers do not receive them. */
  readonly headers?: Headers.Input | undefined
  /** The timeout of an exchange. Default: 60 seconds. */
  readonly timeout?: Duration.DurationInput | undefined
}

/**
 * Requests a token. Fails with a `RegistryError` that says what was requested, or with the error of the HTTP client if
 * the token server did not respond.
 *
 * @since 0.1.0
 * @category models
 */
export interface TokenExchange {
  (tokenRequest: TokenRequest): Effect.Effect<Token, RegistryError.RegistryError | HttpClientError>
}

/** The maximum number of redirects. */
const maxRedirects = 5

const redirects = new Set([301, 302, 303, 307, 308])

/**
 * Creates a function that requests tokens with a client. The client must not follow redirects itself. The exchange
 * follows them: on the realm's own origin, and to another origin only if the request contains no secret; never from
 * https to http.
 *
 * An identity token is sent by the OAuth2 `refresh_token` grant. A user name and a password, or an anonymous request,
 * are sent by GET. If the server does not support OAuth2, a user name and a password are used in place of the identity
 * token. See [token authentication](https://distribution.github.io/distribution/spec/auth/token/),
 * [RFC 6749, section 4.3](https://www.rfc-editor.org/rfc/rfc6749#section-4.3) and
 * [section 6](https://www.rfc-editor.org/rfc/rfc6749#section-6).
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (client: HttpClient.HttpClient, options: Options = {}): TokenExchange => {
  const timeout = Duration.decode(options.timeout ?? "60 seconds")
  const send = sender(client)

  const get = (tokenRequest: TokenRequest, basic: Credential.Basic | undefined) =>
    send(tokenRequest, getRequest(tokenRequest, basic, options), basic !== undefined)

  const exchange = (
    tokenRequest: TokenRequest
  ): Effect.Effect<Token, RegistryError.RegistryError | HttpClientError> => {
    const identity = tokenRequest.entry.find((candidate) => candidate._tag === "IdentityToken")
    const basic = tokenRequest.entry.find((candidate) => candidate._tag === "Basic")
    const viaGet = Effect.flatMap(
      get(tokenRequest, basic),
      (response) => tokenOf(tokenRequest, basic ?? Credential.anonymous, response)
    )
    const grant = identity !== undefined
      ? { grant_type: "refresh_token", refresh_token: Redacted.value(identity.token) }
      : basic !== undefined && options.oauth2 === true
      ? { grant_type: "password", username: basic.username, password: Redacted.value(basic.password) }
      : undefined
    if (grant === undefined) return viaGet
    return Effect.flatMap(
      send(tokenRequest, postRequest(tokenRequest, grant, options), true),
      (response) =>
        Effect.flatMap(bytesOf(tokenRequest, response), (bytes) => {
          const credential = identity ?? basic!
          if (!tokenResponse.isUnsupported(response.status, bytes)) {
            return read(tokenRequest, credential, response, bytes)
          }
          return basic === undefined
            ? new RegistryError.Unauthorized({
              reason: `${serverName(tokenRequest)} does not accept identity tokens: configure a password`
            })
            : viaGet
        })
    )
  }

  return (tokenRequest) =>
    Effect.timeoutFail(exchange(tokenRequest), {
      duration: timeout,
      onTimeout: () =>
        new RegistryError.TransportError({
          reason: `${serverName(tokenRequest)} did not answer within ${Duration.format(timeout)}`
        })
    })
}

type Response = Effect.Effect<HttpClientResponse, RegistryError.RegistryError | HttpClientError>

/** Creates a function that sends a request to a token server, and follows redirects. */
const sender = (client: HttpClient.HttpClient) => {
  const untracedClient = HttpClient.withTracerDisabledWhen(client, constTrue)
  const execute = (origin: Origin, request: HttpClientRequest.HttpClientRequest) =>
    Transport.withPlainFetch(Transport.sameOrigin(origin)(untracedClient).execute(request))

  const send = (
    tokenRequest: TokenRequest,
    request: HttpClientRequest.HttpClientRequest,
    isSecret: boolean,
    followed = 0
  ): Response =>
    Effect.flatMap(
      Effect.mapError(execute(tokenRequest.origin, request), (error) =>
        withoutSecrets(error, Credential.secrets(tokenRequest.entry))),
      (response) => {
        const location = redirects.has(response.status) ? response.headers["location"] : undefined
        if (location === undefined) {
          return Effect.succeed(response)
        }
        const next = redirected(request, response.status, location, isSecret)
        if (RegistryError.isRegistryError(next)) {
          return next
        }
        return followed < maxRedirects
          ? Effect.zipRight(boundedBody.readBriefly(response), send(tokenRequest, next, isSecret, followed + 1))
          : invalid(request.url, `redirects more than ${maxRedirects} times`)
      }
    )
  return send
}

const headersFor = ({ isTrusted = true }: TokenRequest, { headers }: Options) =>
  isTrusted ? Headers.fromInput(headers) : Headers.empty

const getRequest = (tokenRequest: TokenRequest, basic: Credential.Basic | undefined, options: Options) => {
  const url = new URL(tokenRequest.realm)
  if (tokenRequest.service !== undefined) url.searchParams.append("service", tokenRequest.service)
  for (const word of scopeWords(tokenRequest.scope)) url.searchParams.append("scope", word)
  if (basic !== undefined) url.searchParams.append("account", basic.username)
  const request = HttpClientRequest.get(url.href, { headers: headersFor(tokenRequest, options) })
  return basic === undefined ? request : basicAuth(request, basic)
}

const postRequest = (tokenRequest: TokenRequest, grant: { readonly [name: string]: string }, options: Options) => {
  const form = new URLSearchParams({ ...grant, client_id: options.clientId ?? "effect-oci" })
  if (tokenRequest.service !== undefined) form.append("service", tokenRequest.service)
  if (!AuthScope.isEmpty(tokenRequest.scope)) form.append("scope", scopeWords(tokenRequest.scope).join(" "))
  return HttpClientRequest.post(tokenRequest.realm.href, { headers: headersFor(tokenRequest, options) }).pipe(
    HttpClientRequest.bodyText(form.toString(), "application/x-www-form-urlencoded")
  )
}

/** Returns one word for each scope, spelled as in the challenge if the scope is unchanged. */
const scopeWords = (scope: AuthScope.AuthScope): ReadonlyArray<string> =>
  AuthScope.format(scope).split(/\s+/).filter((word) => word !== "")

const serverName = ({ origin, realm }: TokenRequest): string =>
  `the token server ${Realm.format(realm)} of ${format(origin)}`

const invalid = (realm: string | URL, what: string) =>
  new RegistryError.ResponseInvalid({ reason: `the token server ${Realm.format(realm)} ${what}` })

/** Returns the request that follows a redirect. */
const redirected = (
  request: HttpClientRequest.HttpClientRequest,
  status: number,
  location: string,
  isSecret: boolean
): HttpClientRequest.HttpClientRequest | RegistryError.RegistryError => {
  if (!URL.canParse(location, request.url)) return invalid(request.url, "redirects to an invalid URL")
  const from = new URL(request.url)
  const to = new URL(location, from)
  to.username = ""
  to.password = ""
  if (to.origin !== from.origin) {
    if (to.protocol !== "https:") return invalid(from, `redirects to ${to.origin}, which does not use https`)
    if (isSecret) {
      return new RegistryError.RealmRefused({
        realm: Realm.format(to),
        reason: `the token server ${Realm.format(from)} redirects credentials to ${to.origin}, which is another origin`
      })
    }
  }
  // A request to another origin contains only the URL, and no headers of the first request.
  const again = to.origin === from.origin ? HttpClientRequest.setUrl(request, to) : HttpClientRequest.get(to.href)
  if (request.method === "GET" || status === 307 || status === 308) return again
  return invalid(from, `redirects a form, with status ${status}`)
}

const tokenOf = (tokenRequest: TokenRequest, credential: Credential.Credential, response: HttpClientResponse) =>
  Effect.flatMap(bytesOf(tokenRequest, response), (bytes) => read(tokenRequest, credential, response, bytes))

const bytesOf = (tokenRequest: TokenRequest, response: HttpClientResponse) =>
  Effect.mapError(
    boundedBody.read(response),
    () => new RegistryError.TransportError({ reason: `${serverName(tokenRequest)} ended its response early` })
  )

const read = (
  tokenRequest: TokenRequest,
  credential: Credential.Credential,
  response: HttpClientResponse,
  bytes: Uint8Array | undefined
): Effect.Effect<Token, RegistryError.RegistryError> => {
  const { headers, status } = response
  if (status !== 200) {
    return Redaction.error(
      refusal(tokenRequest, credential, response, bytes),
      Redaction.make(Credential.secrets(tokenRequest.entry))
    )
  }
  if (bytes === undefined) return invalid(tokenRequest.realm, `answers with more than ${boundedBody.maxBytes} bytes`)
  const parsed = tokenResponse.parse(bytes)
  if (parsed === undefined) return invalid(tokenRequest.realm, "answers without a token")
  return Effect.map(Clock.currentTimeMillis, (now) => ({
    value: parsed.token,
    scope: tokenRequest.scope,
    expiresAt: tokenResponse.expiry(parsed, now, headers["date"]),
    refreshToken: credential._tag === "IdentityToken" ? parsed.refreshToken : undefined
  }))
}

/** Returns the error for a token server's response. */
const refusal = (
  tokenRequest: TokenRequest,
  credential: Credential.Credential,
  { headers, status }: HttpClientResponse,
  bytes: Uint8Array | undefined
): RegistryError.RegistryError => {
  const diagnostics = ErrorBody.parse(bytes)
  const errorCode = tokenResponse.errorOf(bytes)
  const message = diagnostics[0]?.message ?? errorCode
  const fields = {
    status,
    diagnostics,
    reason:
      `${serverName(tokenRequest)} answered with status ${status}${
        message === undefined || message === "" ? "" : ` (${message})`
      } to a request for "${AuthScope.format(tokenRequest.scope)}" with ${Credential.describe(credential)}` +
      (status === 401 || status === 403 ? `: ${advice(credential, format(tokenRequest.origin))}` : "")
  }
  if (status === 403 || errorCode === "invalid_scope") return new RegistryError.Denied(fields)
  if (status === 401 || (status === 400 && errorCode !== undefined)) return new RegistryError.Unauthorized(fields)
  if (status === 429) {
    return new RegistryError.TooManyRequests({ ...fields, retryAfter: RetryAfter.parse(headers) })
  }
  return status >= 500 ? new RegistryError.Unavailable(fields) : new RegistryError.ResponseInvalid(fields)
}
