/**
 * Policies: functions that decide which scope a caller is granted.
 *
 * @since 0.1.0
 */
import * as Answer from "@effect-oci/core/Answer"
import * as AuthScope from "@effect-oci/core/AuthScope"
import type * as Caller from "@effect-oci/core/Caller"
import type { RegistryError } from "@effect-oci/core/RegistryError"
import * as ResourceScope from "@effect-oci/core/ResourceScope"
import type * as Effect from "effect/Effect"

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
 * A policy that grants everything to users with a name, and nothing to anonymous callers.
 *
 * @since 0.1.0
 * @category constants
 */
export const authenticated: Policy = ({ name }, requested) =>
  Answer.succeed(name === undefined ? AuthScope.empty : requested)
