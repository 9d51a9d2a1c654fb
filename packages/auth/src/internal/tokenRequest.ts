import * as AuthScope from "@effect-oci/core/AuthScope"
import * as Body from "@effect-oci/core/Body"
import type * as Wire from "@effect-oci/protocol/Wire"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import * as authorization from "./authorization.js"

/** What is asked of a token service, and by what who asks proves who they are. */
export interface TokenRequest {
  readonly proof:
    | { readonly _tag: "None" }
    | { readonly _tag: "Password"; readonly username: string; readonly password: Redacted.Redacted<string> }
    | { readonly _tag: "Refresh"; readonly token: Redacted.Redacted<string> }
  readonly service: string | undefined
  readonly scope: AuthScope.AuthScope
  /** Whether a refresh token is wanted too. */
  readonly offline: boolean
}

/** A request that is none for a token: `code` is one of RFC 6749, section 5.2. */
export class NoToken extends Data.TaggedError("NoToken")<{
  readonly status: number
  readonly code: string
  readonly reason: string
  readonly headers?: Wire.Headers | undefined
}> {}

/** In bytes. */
export const maxBody = 16 * 1024
const maxQuery = 16 * 1024

/** How many resources a token may be asked for at once. */
const maxScopes = 64

const refuse = (status: number, code: string, reason: string, headers?: Wire.Headers) =>
  Exit.fail(new NoToken({ status, code, reason, headers }))

const invalid = (reason: string) => refuse(400, "invalid_request", reason)

/**
 * Reads a request: "Token Authentication Specification" of the distribution project for GET, with Basic credentials or
 * none, and "OAuth2 Token Authentication" for POST.
 */
export const read = (request: Wire.Request): Effect.Effect<TokenRequest, NoToken> => {
  switch (request.method) {
    case "GET":
      return readGet(request)
    case "POST":
      return Effect.flatMap(form(request), readPost)
    default:
      return refuse(405, "invalid_request", "a token is asked for by GET or POST", { allow: "GET, POST" })
  }
}

const readGet = ({ headers, target }: Wire.Request): Exit.Exit<TokenRequest, NoToken> => {
  const mark = target.indexOf("?")
  const query = mark < 0 ? "" : target.slice(mark + 1)
  if (query.length > maxQuery) return refuse(414, "invalid_request", `the query has more than ${maxQuery} characters`)
  const credentials = authorization.read(headers["authorization"])
  switch (credentials._tag) {
    case "None":
      return asked(new URLSearchParams(query), credentials)
    case "Basic":
      return asked(new URLSearchParams(query), { ...credentials, _tag: "Password" })
    default:
      return invalid("Basic credentials are wanted, or none")
  }
}

const form = ({ body, headers }: Wire.Request): Effect.Effect<URLSearchParams, NoToken> => {
  const type = headers["content-type"]?.split(";", 1)[0]?.trim().toLowerCase()
  if (type !== "application/x-www-form-urlencoded") {
    return refuse(415, "invalid_request", "the body has to be application/x-www-form-urlencoded")
  }
  const tooLarge = () =>
    new NoToken({ status: 413, code: "invalid_request", reason: `the body has more than ${maxBody} bytes` })
  return Body.toBytes(body ?? Body.empty, { limit: maxBody, onLimit: tooLarge }).pipe(
    Effect.mapError((error) =>
      error._tag === "NoToken"
        ? error
        : new NoToken({ status: 400, code: "invalid_request", reason: "the body broke off" })
    ),
    Effect.map((bytes) => new URLSearchParams(new TextDecoder().decode(bytes)))
  )
}

const readPost = (fields: URLSearchParams): Exit.Exit<TokenRequest, NoToken> => {
  const username = fields.get("username")
  const password = fields.get("password")
  const refresh = fields.get("refresh_token")
  switch (fields.get("grant_type")) {
    case "password":
      return username === null || password === null
        ? invalid("username and password are wanted")
        : asked(fields, { _tag: "Password", username, password: Redacted.make(password) })
    case "refresh_token":
      return refresh === null
        ? invalid("refresh_token is wanted")
        : asked(fields, { _tag: "Refresh", token: Redacted.make(refresh) })
    case null:
      return invalid("grant_type is wanted")
    default:
      return refuse(400, "unsupported_grant_type", "grant_type is password or refresh_token here")
  }
}

const asked = (fields: URLSearchParams, proof: TokenRequest["proof"]): Exit.Exit<TokenRequest, NoToken> => {
  const scope = AuthScope.parse(fields.getAll("scope").join(" "))
  if (AuthScope.values(scope).length > maxScopes) {
    return refuse(400, "invalid_scope", `a token is for at most ${maxScopes} actions on resources`)
  }
  return Exit.succeed({
    proof,
    service: fields.get("service") ?? undefined,
    scope,
    offline: fields.get("offline_token") === "true" || fields.get("access_type") === "offline"
  })
}
