/**
 * The removal of secrets from text that a server returns. A server may repeat in an error what the client sent.
 *
 * @since 0.1.0
 */
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Predicate from "effect/Predicate"

/**
 * A function that replaces known secrets in a text with `<redacted>`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Redaction {
  (text: string): string
}

/** Shorter texts occur in sentences by chance. */
const minLength = 4

/**
 * Creates a redaction of secrets and of their usual encodings: base64, base64url and percent-encoding. A secret of less
 * than 4 characters is redacted in base64 only.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (secrets: Iterable<string>): Redaction => {
  const spellings = new Set([...secrets].flatMap((secret) => secret === "" ? [] : spellingsOf(secret)))
  // A longer secret may contain a shorter one, so longer secrets are replaced first.
  const known = [...spellings].filter(({ length }) => length >= minLength).sort((a, b) => b.length - a.length)
  return (text) => known.reduce((text, secret) => text.replaceAll(secret, "<redacted>"), text)
}

const spellingsOf = (secret: string): ReadonlyArray<string> => {
  const base64 = Encoding.encodeBase64(secret)
  const coded = [secret, base64].flatMap(percentEncoded)
  return [secret, base64, base64.replace(/=+$/, ""), Encoding.encodeBase64Url(secret), ...coded]
}

/**
 * Returns the percent-encodings of a text: in a path segment, in a whole path and in a form, with upper-case and
 * lower-case hexadecimal digits.
 */
const percentEncoded = (text: string): ReadonlyArray<string> =>
  // A lone surrogate cannot be encoded, and is sent as U+FFFD.
  [text.replace(/\p{Cs}/gu, "\ufffd")]
    .flatMap((
      sent
    ) => [encodeURIComponent(sent), encodeURI(sent), new URLSearchParams([["", sent]]).toString().slice(1)])
    .flatMap((coded) => [coded, coded.replace(/%../g, (byte) => byte.toLowerCase())])

/** The names of headers whose value contains a secret. */
const secretHeader = /auth|cookie|token|secret|passw|credential|signature|api|key/

/**
 * Returns the secrets in the headers of a request: in `Authorization` (the part after the scheme, and the password of
 * `Basic`), in `Cookie`, and in any header whose name suggests a secret, such as `X-API-Key`.
 *
 * @since 0.1.0
 * @category destructors
 */
export const secretsOfHeaders = (headers: { readonly [name: string]: string | undefined }): ReadonlyArray<string> =>
  Object.entries(headers).flatMap(([name, value]) =>
    value !== undefined && secretHeader.test(name.toLowerCase()) ? secretsOfValue(value) : []
  )

const secretsOfValue = (value: string): ReadonlyArray<string> => {
  const rest = value.slice(value.indexOf(" ") + 1)
  const parts = value.split(/[;,]\s*/).map((part) => part.slice(part.indexOf("=") + 1))
  const pair = /^basic /i.test(value) ? Either.getOrUndefined(Encoding.decodeBase64String(rest)) : undefined
  return [value, rest, ...parts, ...(pair === undefined ? [] : [pair, pair.slice(pair.indexOf(":") + 1)])]
}

/**
 * Redacts the text in an error that may come from a server: its reason, its detail, the errors of the response body,
 * and its cause.
 *
 * @since 0.1.0
 * @category combinators
 */
export const error = <E extends RegistryError.RegistryError>(error: E, redact: Redaction): E => {
  const redacted = RegistryError.mapText(error, (text, field) => fromServer.has(field) ? redact(text) : text)
  return error.cause === undefined
    ? redacted
    : RegistryError.withFields(redacted, { cause: cause(error.cause, redact) })
}

/** The fields of errors whose text may come from a server. */
const fromServer = new Set(["reason", "detail", "diagnostics", "code", "realm"])

/**
 * Redacts the cause of an error: its message, its stack, and those of its own causes.
 *
 * @since 0.1.0
 * @category combinators
 */
export const cause = (value: unknown, redact: Redaction, depth = 0): unknown => {
  if (typeof value === "string") return redact(value)
  if (!(value instanceof Error) || depth > 8) return value
  if (RegistryError.isRegistryError(value)) return error(value, redact)
  const inner = cause(value.cause, redact, depth + 1)
  const message = redact(value.message)
  const stack = value.stack === undefined ? undefined : redact(value.stack)
  if (message === value.message && stack === value.stack && inner === value.cause) return value
  const code = Predicate.hasProperty(value, "code") ? { code: value.code } : {}
  return Object.assign(new Error(message, { cause: inner }), { name: value.name, stack, ...code })
}
