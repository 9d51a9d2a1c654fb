import * as AuthScope from "@effect-oci/core/AuthScope"
import type * as Wire from "@effect-oci/protocol/Wire"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Redacted from "effect/Redacted"

/** The content of a request's `Authorization` header. */
export type Credentials =
  | { readonly _tag: "None" }
  | { readonly _tag: "Basic"; readonly username: string; readonly password: Redacted.Redacted<string> }
  | { readonly _tag: "Bearer"; readonly token: Redacted.Redacted<string> }
  | { readonly _tag: "Malformed" }

/** The maximum length of the header, in characters. It exceeds the length of any valid token. */
const maxLength = 20 * 1024

const none: Credentials = { _tag: "None" }
const malformed: Credentials = { _tag: "Malformed" }

/**
 * Parses the header: a scheme in any case, spaces, and the scheme's own syntax.
 * https://www.rfc-editor.org/rfc/rfc9110#section-11.6.2
 */
export const read = (header: string | undefined): Credentials => {
  if (header === undefined) return none
  if (header.length > maxLength) return malformed
  const space = header.indexOf(" ")
  const value = header.slice(space + 1).trim()
  if (space < 0 || value === "") return malformed
  switch (header.slice(0, space).toLowerCase()) {
    case "basic":
      return basic(value)
    case "bearer":
      return { _tag: "Bearer", token: Redacted.make(value) }
    default:
      return malformed
  }
}

/**
 * Parses Basic credentials. The password may contain colons, the name may not. `skopeo` and `podman` send an empty name
 * and an empty password if they have no credentials. https://www.rfc-editor.org/rfc/rfc7617#section-2
 */
const basic = (value: string): Credentials => {
  const text = Either.getOrUndefined(Encoding.decodeBase64String(value))
  if (text === ":") return none
  const colon = text?.indexOf(":") ?? -1
  return text === undefined || colon < 0
    ? malformed
    : { _tag: "Basic", username: text.slice(0, colon), password: Redacted.make(text.slice(colon + 1)) }
}

/** The `error` of a bearer challenge: https://www.rfc-editor.org/rfc/rfc6750#section-3.1 */
export type BearerError = "invalid_token" | "insufficient_scope"

interface ChallengeOptions {
  readonly realm: string
  readonly users: unknown
  readonly tokens:
    | { readonly realm: string | ((request: Wire.Request) => string); readonly service: string }
    | undefined
}

/**
 * Quotes a text, without the characters that a header cannot contain.
 * https://www.rfc-editor.org/rfc/rfc9110#section-5.6.4
 */
const quoted = (text: string): string => `"${text.replace(/[^\x20-\x7e]/g, "").replace(/["\\]/g, "\\$&")}"`

/**
 * Creates a function that returns the headers of a challenge. Bearer comes first, because many clients parse only the
 * first challenge of a header. `Docker-Distribution-Api-Version` tells old clients that the server is a registry.
 */
export const challenges = ({ realm, tokens, users }: ChallengeOptions) => {
  const basic = users === undefined ? [] : [`Basic realm=${quoted(realm)}`]
  return (request: Wire.Request, required: AuthScope.AuthScope, error?: BearerError): Wire.Headers => {
    const all = tokens === undefined ? basic : [bearer(tokens, request, required, error), ...basic]
    return { "www-authenticate": all.join(", "), "docker-distribution-api-version": "registry/2.0" }
  }
}

const bearer = (
  { realm, service }: NonNullable<ChallengeOptions["tokens"]>,
  request: Wire.Request,
  required: AuthScope.AuthScope,
  error: BearerError | undefined
): string => {
  const parameters = {
    realm: typeof realm === "string" ? realm : realm(request),
    service,
    ...(AuthScope.isEmpty(required) ? {} : { scope: AuthScope.format(required) }),
    ...(error === undefined ? {} : { error })
  }
  return `Bearer ${Object.entries(parameters).map(([name, value]) => `${name}=${quoted(value)}`).join(",")}`
}
