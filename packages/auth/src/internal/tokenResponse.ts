import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"

/** The response of a token server. */
export interface TokenResponse {
  readonly token: Redacted.Redacted
  readonly refreshToken: Redacted.Redacted | undefined
  /** How long the token is valid after it was issued, in seconds. */
  readonly lifetime: number
  /** When the token was issued, by the clock of the server, in milliseconds since 1970. */
  readonly issuedAt: number | undefined
}

const jsonOf = (bytes: Uint8Array | undefined): unknown =>
  bytes === undefined ? undefined : Either.getOrUndefined(
    Either.try((): unknown => JSON.parse(new TextDecoder().decode(bytes)))
  )

const text = (json: unknown, name: string): string | undefined =>
  Predicate.hasProperty(json, name) && typeof json[name] === "string" && json[name] !== "" ? json[name] : undefined

/** The characters of a token. A header cannot contain any others. */
export const visible = /^[\x21-\x7e]+$/

/** The minimum lifetime of a token, in seconds, even if the response states less. */
const minLifetime = 60

/**
 * Parses a response. OAuth2 calls the token `access_token`.
 * https://distribution.github.io/distribution/spec/auth/token/#token-response-fields
 */
export const parse = (bytes: Uint8Array): TokenResponse | undefined => {
  const json = jsonOf(bytes)
  const token = text(json, "token") ?? text(json, "access_token")
  if (token === undefined || !visible.test(token)) return undefined
  const refreshToken = text(json, "refresh_token")
  const issuedAt = Date.parse(text(json, "issued_at") ?? "")
  const lifetime = Predicate.hasProperty(json, "expires_in") ? Number(json.expires_in) : Number.NaN
  return {
    token: Redacted.make(token),
    refreshToken: refreshToken === undefined ? undefined : Redacted.make(refreshToken),
    lifetime: lifetime > minLifetime ? lifetime : minLifetime,
    issuedAt: Number.isNaN(issuedAt) ? undefined : issuedAt
  }
}

/**
 * Returns when a token expires, by the clock of this machine. A server may return one token several times, so the token
 * may already have some age. The age is computed by the server's clock (`Date`) if the response contains it, because
 * the two clocks may differ.
 */
export const expiry = (response: TokenResponse, now: number, date: string | undefined): number => {
  const serverNow = Date.parse(date ?? "")
  const age = response.issuedAt === undefined ? 0 : (Number.isNaN(serverNow) ? now : serverNow) - response.issuedAt
  return now + Math.max(response.lifetime * 1000 - Math.max(age, 0), minLifetime * 1000)
}

/** Returns the OAuth2 error code. https://www.rfc-editor.org/rfc/rfc6749#section-5.2 */
export const errorOf = (bytes: Uint8Array | undefined): string | undefined => text(jsonOf(bytes), "error")

/** Returns whether the server does not support a grant. */
export const isUnsupported = (status: number, bytes: Uint8Array | undefined): boolean =>
  status === 404 || status === 405 || (status === 400 && errorOf(bytes) === "unsupported_grant_type")
