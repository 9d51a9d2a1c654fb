import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"

/** What a token server says. */
export interface TokenAnswer {
  readonly token: Redacted.Redacted
  readonly refreshToken: Redacted.Redacted | undefined
  /** Seconds that the token is good for, from when it was issued. */
  readonly lifetime: number
  /** When it was issued by the server's clock, in milliseconds since 1970. */
  readonly issuedAt: number | undefined
}

const jsonOf = (bytes: Uint8Array | undefined): unknown =>
  bytes === undefined ? undefined : Either.getOrUndefined(
    Either.try((): unknown => JSON.parse(new TextDecoder().decode(bytes)))
  )

const text = (json: unknown, name: string): string | undefined =>
  Predicate.hasProperty(json, name) && typeof json[name] === "string" && json[name] !== "" ? json[name] : undefined

/** What a token is made of, and a header may hold: whatever else is in one is no token. */
export const visible = /^[\x21-\x7e]+$/

/** The shortest time that a token is good for, in seconds, whatever is said. */
const shortest = 60

/** Docker's "Token Authentication Specification"; OAuth2 calls the token `access_token`. */
export const parse = (bytes: Uint8Array): TokenAnswer | undefined => {
  const json = jsonOf(bytes)
  const token = text(json, "token") ?? text(json, "access_token")
  if (token === undefined || !visible.test(token)) return undefined
  const refreshToken = text(json, "refresh_token")
  const issuedAt = Date.parse(text(json, "issued_at") ?? "")
  const lifetime = Predicate.hasProperty(json, "expires_in") ? Number(json.expires_in) : Number.NaN
  return {
    token: Redacted.make(token),
    refreshToken: refreshToken === undefined ? undefined : Redacted.make(refreshToken),
    lifetime: lifetime > shortest ? lifetime : shortest,
    issuedAt: Number.isNaN(issuedAt) ? undefined : issuedAt
  }
}

/**
 * When a token ends, by this machine's clock. Servers hand out the same one more than once, so it may be of some age
 * already: by the server's own clock where that is said (`Date`), for the two may differ.
 */
export const expiry = (answer: TokenAnswer, now: number, date: string | undefined): number => {
  const there = Date.parse(date ?? "")
  const age = answer.issuedAt === undefined ? 0 : (Number.isNaN(there) ? now : there) - answer.issuedAt
  return now + Math.max(answer.lifetime * 1000 - Math.max(age, 0), shortest * 1000)
}

/** The error by its name in OAuth2. RFC 6749, section 5.2. */
export const errorOf = (bytes: Uint8Array | undefined): string | undefined => text(jsonOf(bytes), "error")

/** Whether the server says that it does not know a grant. */
export const isUnsupported = (status: number, bytes: Uint8Array | undefined): boolean =>
  status === 404 || status === 405 || (status === 400 && errorOf(bytes) === "unsupported_grant_type")
