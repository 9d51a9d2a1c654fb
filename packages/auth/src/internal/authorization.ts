import * as AuthScope from "@effect-oci/core/AuthScope"
import type * as Wire from "@effect-oci/protocol/Wire"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Redacted from "effect/Redacted"

/** What a request says in `Authorization`. */
export type Credentials =
  | { readonly _tag: "None" }
  | { readonly _tag: "Basic"; readonly username: string; readonly password: Redacted.Redacted<string> }
  | { readonly _tag: "Bearer"; readonly token: Redacted.Redacted<string> }
  | { readonly _tag: "Malformed" }

/** Longer than any token that is taken. */
const maxLength = 20 * 1024

const none: Credentials = { _tag: "None" }
const malformed: Credentials = { _tag: "Malformed" }

/** RFC 9110, section 11.6.2: a scheme in either case, spaces, and what the scheme makes of the rest. */
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
 * RFC 7617: the password may hold colons, the name may not. Neither of them is what `skopeo` and `podman` send where they
 * have none.
 */
const basic = (value: string): Credentials => {
  const text = Either.getOrUndefined(Encoding.decodeBase64String(value))
  if (text === ":") return none
  const colon = text?.indexOf(":") ?? -1
  return text === undefined || colon < 0
    ? malformed
    : { _tag: "Basic", username: text.slice(0, colon), password: Redacted.make(text.slice(colon + 1)) }
}

/** RFC 6750, section 3.1. */
export type BearerError = "invalid_token" | "insufficient_scope"

interface Offered {
  readonly realm: string
  readonly users: unknown
  readonly tokens:
    | { readonly realm: string | ((request: Wire.Request) => string); readonly service: string }
    | undefined
}

/** RFC 9110, section 5.6.4. What cannot stand in a header is left out. */
const quoted = (text: string): string => `"${text.replace(/[^\x20-\x7e]/g, "").replace(/["\\]/g, "\\$&")}"`

/**
 * What to say to whom is asked for credentials. Bearer comes first: many clients read one challenge of a header.
 * `Docker-Distribution-Api-Version` tells old ones that this is a registry at all.
 */
export const challenges = ({ realm, tokens, users }: Offered) => {
  const basic = users === undefined ? [] : [`Basic realm=${quoted(realm)}`]
  return (request: Wire.Request, required: AuthScope.AuthScope, error?: BearerError): Wire.Headers => {
    const all = tokens === undefined ? basic : [bearer(tokens, request, required, error), ...basic]
    return { "www-authenticate": all.join(", "), "docker-distribution-api-version": "registry/2.0" }
  }
}

const bearer = (
  { realm, service }: NonNullable<Offered["tokens"]>,
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
