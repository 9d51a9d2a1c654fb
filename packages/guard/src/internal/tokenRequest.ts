import * as AuthScope from "@effect-oci/core/AuthScope"
import * as Body from "@effect-oci/core/Body"
import type * as Wire from "@effect-oci/protocol/Wire"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as authorization from "./authorization.js"

/** A request to a token service, and the proof of who its caller is. */
export interface TokenRequest {
  readonly proof:
    | { readonly _tag: "None" }
    | { readonly _tag: "Password"; readonly username: string; readonly password: Redacted.Redacted<string> }
    | { readonly _tag: "Refresh"; readonly token: Redacted.Redacted<string> }
    | { readonly _tag: "IdToken"; readonly token: Redacted.Redacted<string> }
  readonly service: string | undefined
  readonly scope: AuthScope.AuthScope
  /** Whether the response shall contain a refresh token. */
  readonly offline: boolean
}

/**
 * A request that is not a valid token request. `code` is an error code of RFC 6749, section 5.2:
 * https://www.rfc-editor.org/rfc/rfc6749#section-5.2
 */
export class InvalidTokenRequest extends Data.TaggedError("InvalidTokenRequest")<{
  readonly status: number
  readonly code: string
  readonly reason: string
  readonly headers?: Wire.Headers | undefined
}> {}

/** The grant and the types of tokens of https://www.rfc-editor.org/rfc/rfc8693#section-2.1 */
const tokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
const typeOf = (name: string) => `urn:ietf:params:oauth:token-type:${name}`
const subjectTypes = [typeOf("id_token"), typeOf("jwt")]

/** The fields that a response to a token exchange has in addition. */
export const exchanged = { issued_token_type: typeOf("access_token"), token_type: "Bearer" }

/** The maximum size of a body, in bytes. */
export const maxBody = 16 * 1024
const maxQuery = 16 * 1024

/** The number of actions on resources that one token may be requested for. */
const maxScopes = 64

const refuse = (status: number, code: string, reason: string, headers?: Wire.Headers) =>
  Effect.fail(new InvalidTokenRequest({ status, code, reason, headers }))

const invalid = (reason: string) => refuse(400, "invalid_request", reason)

/**
 * Parses a request. GET, with Basic credentials or anonymous:
 * https://distribution.github.io/distribution/spec/auth/token/. POST:
 * https://distribution.github.io/distribution/spec/auth/oauth/.
 */
export const read = (request: Wire.Request): Effect.Effect<TokenRequest, InvalidTokenRequest> => {
  switch (request.method) {
    case "GET":
      return readGet(request)
    case "POST":
      return Effect.flatMap(form(request), readPost)
    default:
      return refuse(405, "invalid_request", "request a token with GET or POST", { allow: "GET, POST" })
  }
}

const readGet = ({ headers, target }: Wire.Request): Effect.Effect<TokenRequest, InvalidTokenRequest> => {
  const queryStart = target.indexOf("?")
  const query = queryStart < 0 ? "" : target.slice(queryStart + 1)
  if (query.length > maxQuery) return refuse(414, "invalid_request", `the query has more than ${maxQuery} characters`)
  const credentials = authorization.read(headers["authorization"])
  switch (credentials._tag) {
    case "None":
      return parseFields(new URLSearchParams(query), credentials)
    case "Basic":
      return parseFields(new URLSearchParams(query), { ...credentials, _tag: "Password" })
    default:
      return invalid("the Authorization header must be Basic, or absent")
  }
}

const form = ({ body, headers }: Wire.Request): Effect.Effect<URLSearchParams, InvalidTokenRequest> => {
  const type = headers["content-type"]?.split(";", 1)[0]?.trim().toLowerCase()
  if (type !== "application/x-www-form-urlencoded") {
    return refuse(415, "invalid_request", "the body must be application/x-www-form-urlencoded")
  }
  const tooLarge = () =>
    new InvalidTokenRequest({ status: 413, code: "invalid_request", reason: `the body has more than ${maxBody} bytes` })
  return Body.toBytes(body ?? Body.empty, { limit: maxBody, onLimit: tooLarge }).pipe(
    Effect.mapError((error) =>
      error._tag === "InvalidTokenRequest"
        ? error
        : new InvalidTokenRequest({ status: 400, code: "invalid_request", reason: "the body ended early" })
    ),
    Effect.map((bytes) => new URLSearchParams(new TextDecoder().decode(bytes)))
  )
}

const readPost = (fields: URLSearchParams): Effect.Effect<TokenRequest, InvalidTokenRequest> => {
  const username = fields.get("username")
  const password = fields.get("password")
  const refresh = fields.get("refresh_token")
  switch (fields.get("grant_type")) {
    case "password":
      return username === null || password === null
        ? invalid("username and password are required")
        : parseFields(fields, { _tag: "Password", username, password: Redacted.make(password) })
    case "refresh_token":
      return refresh === null
        ? invalid("refresh_token is required")
        : parseFields(fields, { _tag: "Refresh", token: Redacted.make(refresh) })
    case tokenExchange:
      return readExchange(fields)
    case null:
      return invalid("grant_type is required")
    default:
      return refuse(400, "unsupported_grant_type", "grant_type must be password, refresh_token or token-exchange")
  }
}

const readExchange = (fields: URLSearchParams): Effect.Effect<TokenRequest, InvalidTokenRequest> => {
  const token = fields.get("subject_token")
  const requested = fields.get("requested_token_type")
  if (token === null) return invalid("subject_token is required")
  if (!subjectTypes.includes(fields.get("subject_token_type") ?? "")) {
    return invalid(`subject_token_type must be ${subjectTypes.join(" or ")}`)
  }
  if (fields.has("actor_token")) return invalid("this token service accepts no actor_token")
  if (requested !== null && requested !== typeOf("access_token")) {
    return invalid(`requested_token_type must be ${typeOf("access_token")}`)
  }
  const audience = fields.get("audience") ?? undefined
  return Effect.map(
    parseFields(fields, { _tag: "IdToken", token: Redacted.make(token) }),
    (request) => ({ ...request, service: request.service ?? audience })
  )
}

const parseFields = (
  fields: URLSearchParams,
  proof: TokenRequest["proof"]
): Effect.Effect<TokenRequest, InvalidTokenRequest> => {
  const scope = AuthScope.parse(fields.getAll("scope").join(" "))
  if (AuthScope.values(scope).length > maxScopes) {
    return refuse(400, "invalid_scope", `a token may be requested for at most ${maxScopes} actions on resources`)
  }
  return Effect.succeed({
    proof,
    service: fields.get("service") ?? undefined,
    scope,
    offline: fields.get("offline_token") === "true" || fields.get("access_type") === "offline"
  })
}
