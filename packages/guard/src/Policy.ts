/**
 * Policies: functions that decide which scope a caller is granted.
 *
 * @since 0.1.0
 */
import * as Answer from "@effect-oci/core/Answer"
import * as AuthScope from "@effect-oci/core/AuthScope"
import type * as Caller from "@effect-oci/core/Caller"
import { printable } from "@effect-oci/core/Printable"
import type { RegistryError } from "@effect-oci/core/RegistryError"
import * as RepositoryName from "@effect-oci/core/RepositoryName"
import * as ResourceScope from "@effect-oci/core/ResourceScope"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"

/**
 * Returns the part of the requested scope that a caller is granted. A guard applies the policy to each operation of
 * callers without a token. A token service applies it to each token. Both ignore anything in the result that was not
 * requested.
 *
 * @since 0.1.0
 * @category models
 */
export interface Policy {
  (caller: Caller.Identity, requested: AuthScope.AuthScope): Effect.Effect<AuthScope.AuthScope, RegistryError>
}

const actions: ReadonlyArray<ResourceScope.Action> = ["pull", "push", "delete"]

/**
 * Replaces `*` on a repository by each action that it may mean, so that a policy allows no action that its author did
 * not consider.
 */
const expandWildcard = (requested: ResourceScope.ResourceScope): ReadonlyArray<ResourceScope.ResourceScope> =>
  requested.action === "*" && /^repository(\(|$)/.test(requested.type)
    ? actions.map((action) => ResourceScope.make(requested.type, requested.resource, action))
    : [requested]

/**
 * Creates a policy that decides each action on each resource separately. `*` on a repository is decided as `pull`,
 * `push` and `delete`. The list of all repositories is `registry`, `catalog`, `*`. Compare names as a whole, or with
 * the slash that ends a path segment: `team` is also the start of `team-b/app`.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Policy } from "@effect-oci/guard"
 *
 * // Everyone may pull below `public`. A user may do everything below the user's own name.
 * const policy = Policy.make(({ name }, { action, resource, type }) =>
 *   type === "repository" &&
 *   ((action === "pull" && resource.startsWith("public/")) || (name !== undefined && resource.startsWith(`${name}/`)))
 * )
 * ```
 */
export const make = (
  allows: (caller: Caller.Identity, requested: ResourceScope.ResourceScope) => boolean
): Policy =>
(caller, requested) =>
  Answer.succeed(
    AuthScope.make(AuthScope.values(requested).flatMap(expandWildcard).filter((scope) => allows(caller, scope)))
  )

/**
 * The scope of the administration of a registry, such as `AdminApi`: `registry:admin:*`. A caller with it can create
 * robots with any permissions.
 *
 * @since 0.1.0
 * @category constants
 */
export const admin: AuthScope.AuthScope = AuthScope.parse("registry:admin:*")

/**
 * A policy that grants everything but {@link admin} to users with a name, and nothing to anonymous callers.
 *
 * @since 0.1.0
 * @category constants
 */
export const authenticated: Policy = ({ name }, requested) => {
  if (name === undefined) return Answer.succeed(AuthScope.empty)
  return Answer.succeed(AuthScope.contains(requested, admin) ? AuthScope.difference(requested, admin) : requested)
}

/**
 * A text is not a list of permissions.
 *
 * @since 0.1.0
 * @category errors
 */
export class PermissionInvalid extends Data.TaggedError("OciPermissionInvalid")<{
  readonly permission: string
  readonly reason: string
}> {
  override get message(): string {
    return `invalid permission "${printable(this.permission, 80)}": ${this.reason}`
  }
}

/** The repositories that a permission is for: one, all below a name, or all. */
const matcherOf = (type: string, resource: string): ((name: string) => boolean) | undefined => {
  if (resource === "**" && type === "repository") return () => true
  const below = type === "repository" && resource.endsWith("/**")
  const name = below ? resource.slice(0, -3) : resource
  if (!RepositoryName.is(name)) return undefined
  return below ? (requested) => requested.startsWith(`${name}/`) : (requested) => requested === name
}

/**
 * Parses permissions, as settings have them, to a policy that grants them to every caller. Permissions are a scope,
 * such as `repository:team/app:pull,push`, in which a repository may be `team/**`: all repositories below `team`, at
 * any depth, but not `team` itself. `**` is all repositories. Actions: `pull`, `push`, `delete`, and `*` for all.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Policy } from "@effect-oci/guard"
 *
 * const policy = Policy.parse("repository:team/**:pull,push repository:public/app:pull")
 * ```
 */
export const parse = (permissions: string): Either.Either<Policy, PermissionInvalid> => {
  const invalid = (permission: string, reason: string) => Either.left(new PermissionInvalid({ permission, reason }))
  const matchers: Array<(requested: ResourceScope.ResourceScope) => boolean> = []
  for (const scope of AuthScope.values(AuthScope.parse(permissions))) {
    const { action, resource, type } = scope
    const matches = matcherOf(type, resource)
    if (type !== "repository" && type !== "registry") {
      return invalid(ResourceScope.format(scope), "write repository:NAME:ACTIONS or registry:NAME:ACTIONS")
    }
    if (!/^([a-z]+|\*)$/.test(action)) return invalid(action, "an action is pull, push, delete or *")
    if (matches === undefined) return invalid(resource, "write a repository name, NAME/** or **")
    matchers.push((requested) =>
      requested.type === type && (action === "*" || action === requested.action) && matches(requested.resource)
    )
  }
  return matchers.length === 0
    ? invalid(permissions, "there is no permission")
    : Either.right(make((_, requested) => matchers.some((matches) => matches(requested))))
}

/**
 * Creates a policy that grants what any of the policies grants.
 *
 * @since 0.1.0
 * @category combinators
 */
export const any = (...policies: ReadonlyArray<Policy>): Policy => {
  const [only] = policies
  return policies.length === 1 && only !== undefined ?
    only :
    (caller, requested) =>
      Effect.map(Effect.forEach(policies, (policy) => policy(caller, requested)), AuthScope.unionAll)
}
