/**
 * Policies: what a caller may.
 *
 * @since 0.1.0
 */
import * as AuthScope from "@effect-oci/core/AuthScope"
import type * as Caller from "@effect-oci/core/Caller"
import type { RegistryError } from "@effect-oci/core/RegistryError"
import * as ResourceScope from "@effect-oci/core/ResourceScope"
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

/**
 * What of the requested scope a caller is granted. A guard asks it of each operation of those who come without a token,
 * a token service of each token. More than was requested is not given, whatever the answer.
 *
 * @since 0.1.0
 * @category models
 */
export interface Policy {
  (caller: Caller.Identity, requested: AuthScope.AuthScope): Effect.Effect<AuthScope.AuthScope, RegistryError>
}

const actions: ReadonlyArray<ResourceScope.Action> = ["pull", "push", "delete"]

/** `*` on a repository is what it may mean, action by action, so that no policy allows what it did not think of. */
const spelledOut = (requested: ResourceScope.ResourceScope): ReadonlyArray<ResourceScope.ResourceScope> =>
  requested.action === "*" && /^repository(\(|$)/.test(requested.type)
    ? actions.map((action) => ResourceScope.make(requested.type, requested.resource, action))
    : [requested]

/**
 * A policy that decides each action on each resource by itself. `*` on a repository is asked as `pull`, `push` and
 * `delete`; the list of all repositories is `registry`, `catalog`, `*`. Compare names whole, or with the slash that ends
 * a part of them: `team` is the start of `team-b/app` too.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Policy } from "@effect-oci/auth"
 *
 * // Everyone pulls what is public, and who has a name does all below it.
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
  Exit.succeed(
    AuthScope.make(AuthScope.values(requested).flatMap(spelledOut).filter((scope) => allows(caller, scope)))
  )

/**
 * Who has a name may do everything, and nobody else anything.
 *
 * @since 0.1.0
 * @category constants
 */
export const authenticated: Policy = ({ name }, requested) =>
  Exit.succeed(name === undefined ? AuthScope.empty : requested)
