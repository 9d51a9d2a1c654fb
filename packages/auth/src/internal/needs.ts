import * as AuthScope from "@effect-oci/core/AuthScope"
import type * as ResourceScope from "@effect-oci/core/ResourceScope"
import * as Route from "@effect-oci/protocol/Route"
import type { HttpClientRequest } from "@effect/platform/HttpClientRequest"
import * as Context from "effect/Context"

/** What a request must be allowed, and what its caller will need later. */
export interface Needs {
  readonly required: AuthScope.AuthScope
  readonly hint: AuthScope.AuthScope
  /** The repository that it is about: the target of a mount, not its source. */
  readonly repository: string | undefined
  /** Whether the scope of a challenge is requested as it is written. */
  readonly scopes: "operation" | "challenge"
}

/** What a request needs: what the context says, or else what its URL says. */
export const of = (
  request: HttpClientRequest,
  context: Context.Context<never>,
  scopes: Needs["scopes"]
): Needs => {
  const said = Context.get(context, AuthScope.required)
  const hint = Context.get(context, AuthScope.hint)
  const required = AuthScope.isEmpty(said) || AuthScope.isUnlimited(said) ? fromUrl(request) : said
  // No token server understands that one.
  const known = AuthScope.isUnlimited(hint) ? AuthScope.empty : hint
  return { required, hint: known, repository: repositoryOf(required), scopes }
}

/** What a request needs, by its URL alone. */
export const fromUrl = ({ method, url }: HttpClientRequest): AuthScope.AuthScope => {
  const path = URL.canParse(url) ? new URL(url).pathname : ""
  const start = path.indexOf("/v2/")
  const route = start < 0 ? undefined : Route.parse(path.slice(start))
  if (route === undefined || route._tag === "Base") return AuthScope.empty
  if (route._tag === "Catalog") return AuthScope.catalog
  const isUpload = route._tag === "Upload" || route._tag === "Uploads"
  if (method === "DELETE" && !isUpload) return AuthScope.repository(route.name, "delete")
  return method === "GET" || method === "HEAD"
    ? AuthScope.repository(route.name, "pull")
    : AuthScope.repository(route.name, "pull", "push")
}

/** Of `repository(plugin)` the class is left out. */
const typeOf = ({ type }: ResourceScope.ResourceScope): string => type.split("(", 1)[0]!

const isRepository = (scope: ResourceScope.ResourceScope): boolean => typeOf(scope) === "repository"

/** The repositories that are written to. */
const targets = (required: AuthScope.AuthScope): ReadonlyArray<string> =>
  AuthScope.values(required)
    .filter((scope) => isRepository(scope) && scope.action !== "pull")
    .map(({ resource }) => resource)

const repositoryOf = (required: AuthScope.AuthScope): string | undefined =>
  targets(required)[0] ?? AuthScope.values(required).find(isRepository)?.resource

const only = (
  scope: AuthScope.AuthScope,
  keep: (scope: ResourceScope.ResourceScope) => boolean
): AuthScope.AuthScope => {
  const all = AuthScope.values(scope)
  const kept = all.filter(keep)
  return kept.length === all.length ? scope : AuthScope.make(kept)
}

const isOf = (required: AuthScope.AuthScope) => {
  const own = new Set(AuthScope.values(required).map((scope) => `${typeOf(scope)}:${scope.resource}`))
  return (scope: ResourceScope.ResourceScope): boolean => own.has(`${typeOf(scope)}:${scope.resource}`)
}

/** The part of a challenge's scope that counts: what it names of the request's own resources, or all of it. */
export const heard = (
  challenge: string | undefined,
  { required, scopes }: Pick<Needs, "required" | "scopes">
): AuthScope.AuthScope => {
  if (challenge === undefined) return AuthScope.empty
  const scope = AuthScope.parse(challenge)
  return scopes === "challenge" ? scope : only(scope, isOf(required))
}

/** Whether a challenge names other resources only. */
export const isForOthers = (challenge: string | undefined, { required, scopes }: Needs): boolean => {
  const named = scopes === "challenge" || challenge === undefined ? [] : AuthScope.values(AuthScope.parse(challenge))
  return named.length > 0 && !named.some(isOf(required))
}

const isChallenges = (heard: AuthScope.AuthScope, { scopes }: Needs): boolean =>
  scopes === "challenge" && !AuthScope.isEmpty(heard)

/** What a token must allow. */
export const enough = (heard: AuthScope.AuthScope, needs: Needs): AuthScope.AuthScope =>
  isChallenges(heard, needs) ? heard : AuthScope.union(heard, needs.required)

/** What a token is requested for: in addition, what the caller wants. */
export const asked = (heard: AuthScope.AuthScope, needs: Needs): AuthScope.AuthScope =>
  isChallenges(heard, needs) ? heard : AuthScope.union(enough(heard, needs), needs.hint)

/** What is requested where that is refused: what the challenge names, and no source of a mount. */
export const narrowed = (heard: AuthScope.AuthScope, needs: Needs): AuthScope.AuthScope => {
  const { required } = needs
  if (isChallenges(heard, needs)) return heard
  const written = new Set(targets(required))
  const scope = AuthScope.isEmpty(heard) ? required : heard
  return written.size === 0 ? scope : only(scope, ({ resource }) => written.has(resource))
}
