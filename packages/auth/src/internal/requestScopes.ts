import * as AuthScope from "@effect-oci/core/AuthScope"
import * as RequestScope from "@effect-oci/core/RequestScope"
import type * as ResourceScope from "@effect-oci/core/ResourceScope"
import * as Route from "@effect-oci/protocol/Route"
import * as RequestContext from "@effect-oci/transport/RequestContext"
import type { HttpClientRequest } from "@effect/platform/HttpClientRequest"

/** The scopes that a request requires now, and the scopes that its caller will need later. */
export interface RequestScopes {
  readonly required: AuthScope.AuthScope
  readonly hint: AuthScope.AuthScope
  /** The repository of the request. For a mount: the target, not the source. */
  readonly repository: string | undefined
  /**
   * Whether tokens are requested for the scope of the operation, or for the scope of the challenge as it is written.
   */
  readonly scopes: "operation" | "challenge"
}

/** Returns the scopes that a request requires: from the context, else from its URL. */
export const of = (
  request: HttpClientRequest,
  within: RequestContext.RequestContext,
  scopes: RequestScopes["scopes"]
): RequestScopes => {
  const fromContext = RequestContext.get(within, RequestScope.required) ?? AuthScope.empty
  const hint = RequestContext.get(within, RequestScope.hint) ?? AuthScope.empty
  const required = AuthScope.isEmpty(fromContext) || AuthScope.isUnlimited(fromContext) ? fromUrl(request) : fromContext
  // Token servers do not support the unlimited scope.
  const supportedHint = AuthScope.isUnlimited(hint) ? AuthScope.empty : hint
  return { required, hint: supportedHint, repository: repositoryOf(required), scopes }
}

/** Returns the scope that a request requires, from its URL alone. */
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

/** Returns the type without its class: `repository` for `repository(plugin)`. */
const typeOf = ({ type }: ResourceScope.ResourceScope): string => type.split("(", 1)[0]!

const isRepository = ({ type }: ResourceScope.ResourceScope): boolean =>
  type === "repository" || type.startsWith("repository(")

const isWritten = (scope: ResourceScope.ResourceScope): boolean => scope.action !== "pull" && isRepository(scope)

/** Returns the repositories that the request writes to. */
const targets = (required: AuthScope.AuthScope): ReadonlyArray<string> =>
  AuthScope.values(required).filter(isWritten).map(({ resource }) => resource)

const repositoryOf = (required: AuthScope.AuthScope): string | undefined => {
  const scopes = AuthScope.values(required)
  return (scopes.find(isWritten) ?? scopes.find(isRepository))?.resource
}

const filterScope = (
  scope: AuthScope.AuthScope,
  keep: (scope: ResourceScope.ResourceScope) => boolean
): AuthScope.AuthScope => {
  const all = AuthScope.values(scope)
  const kept = all.filter(keep)
  return kept.length === all.length ? scope : AuthScope.make(kept)
}

const isForResourcesOf = (required: AuthScope.AuthScope) => {
  const ownResources = new Set(AuthScope.values(required).map((scope) => `${typeOf(scope)}:${scope.resource}`))
  return (scope: ResourceScope.ResourceScope): boolean => ownResources.has(`${typeOf(scope)}:${scope.resource}`)
}

/**
 * Returns the part of a challenge's scope that is for the resources of the request. With `scopes: "challenge"`: the
 * whole scope.
 */
export const challengedScope = (
  challenge: string | undefined,
  { required, scopes }: Pick<RequestScopes, "required" | "scopes">
): AuthScope.AuthScope => {
  if (challenge === undefined) return AuthScope.empty
  const scope = AuthScope.parse(challenge)
  return scopes === "challenge" ? scope : filterScope(scope, isForResourcesOf(required))
}

/** Returns whether a challenge names only resources that are not those of the request. */
export const namesOnlyOtherResources = (
  challenge: string | undefined,
  { required, scopes }: RequestScopes
): boolean => {
  const named = scopes === "challenge" || challenge === undefined ? [] : AuthScope.values(AuthScope.parse(challenge))
  return named.length > 0 && !named.some(isForResourcesOf(required))
}

const followsChallenge = (challengedScope: AuthScope.AuthScope, { scopes }: RequestScopes): boolean =>
  scopes === "challenge" && !AuthScope.isEmpty(challengedScope)

/** Returns the scope that a token must allow. */
export const sufficientScope = (
  challengedScope: AuthScope.AuthScope,
  requestScopes: RequestScopes
): AuthScope.AuthScope =>
  followsChallenge(challengedScope, requestScopes)
    ? challengedScope
    : AuthScope.isEmpty(challengedScope)
    ? requestScopes.required
    : AuthScope.union(challengedScope, requestScopes.required)

/**
 * Returns the scope to request a token for: the scope that the token must allow, and the scope that the caller adds.
 */
export const requestedScope = (
  challengedScope: AuthScope.AuthScope,
  requestScopes: RequestScopes
): AuthScope.AuthScope =>
  followsChallenge(challengedScope, requestScopes)
    ? challengedScope
    : AuthScope.union(sufficientScope(challengedScope, requestScopes), requestScopes.hint)

/**
 * Returns the scope to request after the token server refused: the scope of the challenge, without the source of a
 * mount.
 */
export const reducedScope = (
  challengedScope: AuthScope.AuthScope,
  requestScopes: RequestScopes
): AuthScope.AuthScope => {
  const { required } = requestScopes
  if (followsChallenge(challengedScope, requestScopes)) return challengedScope
  const written = new Set(targets(required))
  const scope = AuthScope.isEmpty(challengedScope) ? required : challengedScope
  return written.size === 0 ? scope : filterScope(scope, ({ resource }) => written.has(resource))
}
