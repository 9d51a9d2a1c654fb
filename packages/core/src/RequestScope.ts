/**
 * The access scopes that a caller gives to the requests of an effect. The HTTP transport that authenticates reads them.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as AuthScope from "./AuthScope.js"

/**
 * The identifier of {@link required}.
 *
 * @since 0.1.0
 * @category context
 */
export interface Required {
  readonly _: unique symbol
}

/**
 * The scope that the current request requires. The code that sends the requests of an operation sets it, and the HTTP
 * transport reads it; a program that sends requests itself can set it too. A stored token whose scope contains it is
 * used immediately. A new token is requested with at least this scope. Default: `AuthScope.empty`.
 *
 * @since 0.1.0
 * @category context
 * @example
 * ```ts
 * import { AuthScope, RequestScope } from "@effect-oci/core"
 * import type { HttpClient } from "@effect/platform"
 * import { Effect } from "effect"
 *
 * const tags = (client: HttpClient.HttpClient) =>
 *   client.get("https://registry.example/v2/team/app/tags/list").pipe(
 *     Effect.provideService(RequestScope.required, AuthScope.repository("team/app", "pull"))
 *   )
 * ```
 */
export const required: Context.Reference<Required, AuthScope.AuthScope> = Context.Reference<Required>()(
  "@effect-oci/core/RequestScope/required",
  { defaultValue: () => AuthScope.empty }
)

/**
 * The identifier of {@link hint}.
 *
 * @since 0.1.0
 * @category context
 */
export interface Hint {
  readonly _: unique symbol
}

/**
 * The scope that the caller will need for later requests. New tokens are requested with the required scope and this
 * scope together, so that one token is enough for a batch of requests. Default: `AuthScope.empty`.
 *
 * The hint never raises what a request requires: a token with the required scope is used even if it lacks the hinted
 * scope. If a token server refuses the two scopes together, the token is requested once more without the hint.
 *
 * @since 0.1.0
 * @category context
 * @example
 * ```ts
 * import { AuthScope, RequestScope } from "@effect-oci/core"
 * import { Effect } from "effect"
 *
 * const withPush = <A, E, R>(copy: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
 *   copy.pipe(Effect.provideService(RequestScope.hint, AuthScope.repository("team/app", "pull", "push")))
 * ```
 */
export const hint: Context.Reference<Hint, AuthScope.AuthScope> = Context.Reference<Hint>()(
  "@effect-oci/core/RequestScope/hint",
  { defaultValue: () => AuthScope.empty }
)
