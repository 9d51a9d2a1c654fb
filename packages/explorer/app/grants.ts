/**
 * What a token server grants to the user. A registry with tokens says in advance what the user may do, in the claim
 * `access` of a token. Other registries say it only by refusing a request.
 * https://distribution.github.io/distribution/spec/auth/jwt/
 */
import * as Challenge from "@effect-oci/auth/Challenge"
import type * as Credential from "@effect-oci/auth/Credential"
import * as Realm from "@effect-oci/auth/Realm"
import * as TokenExchange from "@effect-oci/auth/TokenExchange"
import * as AuthScope from "@effect-oci/core/AuthScope"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import * as Origin from "@effect-oci/transport/Origin"
import * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import { constTrue } from "effect/Function"
import * as Redacted from "effect/Redacted"
import * as json from "./json.js"

/** The actions that are granted in a repository: `pull`, `push`, `delete`, `*`. `undefined` if that is not known. */
export type Granted = ReadonlySet<string> | undefined

/** Reads the actions that a token allows in a repository. A token may have any form: not each is a JWT. */
export const read = (token: string, repository: string): Granted => {
  const claims = json.base64(token.split(".")[1] ?? "")
  const access = json.at(claims, "access")
  // Go encodes an empty list as `null`.
  if (access === undefined || (access !== null && !Array.isArray(access))) return undefined
  const entries = json.list(claims, "access").filter((entry) => json.text(entry, "type") === "repository")
  const own = entries.filter((entry) => json.text(entry, "name") === repository)
  // A proxy may give the repository another name.
  return entries.length > 0 && own.length === 0
    ? undefined
    : new Set(own.flatMap((entry) => json.texts(entry, "actions")))
}

export interface Options {
  readonly origin: string
  readonly entry: Credential.Entry
  readonly trustedRealms: ReadonlyArray<string>
}

/**
 * Creates a function that returns what the user may do in a repository. Nothing is known if the registry has no tokens,
 * if the token server may not get the password, or if the token server does not answer.
 */
export const make = ({ entry, origin, trustedRealms }: Options) =>
  Effect.map(HttpClient.HttpClient, (traced) => {
    // The headers of a trace would need a permission of the registry (CORS).
    const client = HttpClient.withTracerDisabledWhen(traced, constTrue)
    const from = Origin.parse(origin)
    const exchange = TokenExchange.make(client, { timeout: "10 seconds" })
    return (repository: RepositoryName): Effect.Effect<Granted> =>
      Effect.gen(function*() {
        const { headers } = yield* Effect.scoped(client.get(`${origin}/v2/`))
        const challenge = Challenge.preferred(Challenge.parse(headers["www-authenticate"] ?? ""))
        const realm = challenge?.parameters.get("realm")
        if (from === undefined || challenge?.scheme !== "bearer" || realm === undefined) return undefined
        const verdict = yield* Realm.judge(from, realm, trustedRealms)
        if (verdict._tag === "Refused" || (verdict._tag === "Foreign" && entry.length > 0)) return undefined
        const { value } = yield* exchange({
          origin: from,
          realm: verdict.url,
          isTrusted: verdict._tag === "Trusted",
          service: challenge.parameters.get("service"),
          scope: AuthScope.repository(repository, "pull", "push", "delete"),
          entry
        })
        return read(Redacted.value(value), repository)
      }).pipe(Effect.timeout("10 seconds"), Effect.orElseSucceed(() => undefined))
  })
