import * as Answer from "@effect-oci/core/Answer"
import * as AuthScope from "@effect-oci/core/AuthScope"
import * as Caller from "@effect-oci/core/Caller"
import * as RegistryError from "@effect-oci/core/RegistryError"
import { Rejected } from "@effect-oci/protocol/Request"
import type * as Wire from "@effect-oci/protocol/Wire"
import type * as Effect from "effect/Effect"
import type { IdTokens } from "../IdTokens.js"
import type * as Policy from "../Policy.js"
import type { TokenVerifier } from "../TokenVerifier.js"
import type * as Users from "../Users.js"
import * as accounts from "./accounts.js"
import * as authorization from "./authorization.js"

/** The options of a guard with their defaults. */
interface Settings {
  readonly addressOf: (request: Wire.Request) => string | undefined
  readonly certificates?: ((certificate: Wire.Certificate) => string | undefined) | undefined
  readonly idTokens: IdTokens | undefined
  readonly policy: Policy.Policy
  readonly tokens?: { readonly verify: TokenVerifier } | undefined
  readonly users: Users.Users | undefined
}

const anonymousDenied = new RegistryError.Denied({
  reason: "this registry does not allow this operation to anonymous callers"
})

/** A request for a scope. `admit` returns the answer to a caller who is granted enough. */
export interface Decision<A> {
  readonly required: AuthScope.AuthScope
  readonly request: Wire.Request
  readonly isPing: boolean
  readonly admit: (caller: Caller.Identity, granted: AuthScope.AuthScope) => Effect.Effect<A> | undefined
}

export const refuse = (error: RegistryError.RegistryError, headers?: Wire.Headers): Effect.Effect<never, Rejected> =>
  Answer.fail(new Rejected({ error, headers }))

const denied = ({ name }: Caller.Identity, required: AuthScope.AuthScope) =>
  new RegistryError.Denied({ reason: `"${name}" is not granted ${AuthScope.format(required)}` })

/**
 * Authenticates the caller of a request, and calls `admit` with each scope that the caller may have, until one is enough.
 */
export const decide = <A>(
  { addressOf, certificates, idTokens, policy, tokens, users }: Settings,
  challenge: ReturnType<typeof authorization.challenges>,
  { admit, isPing, request, required }: Decision<A>
): Effect.Effect<A, Rejected> => {
  const unauthorized = (reason: string | undefined, error?: authorization.BearerError) =>
    refuse(new RegistryError.Unauthorized({ reason }), challenge(request, required, error))

  /**
   * Applies the policy to a caller without a token. `refused` creates the answer if the policy does not allow the
   * request.
   */
  const byPolicy = (
    caller: Caller.Identity,
    refused: () => Effect.Effect<never, Rejected>,
    allows: Policy.Policy = policy
  ) =>
    Answer.matchEffect(allows(caller, required), {
      onFailure: (error) => refuse(error),
      onSuccess: (granted) => admit(caller, granted) ?? refused()
    })

  const byAccount = (account: Users.Account) =>
    byPolicy(account.identity, () => refuse(denied(account.identity, required)), accounts.policyOf(account, policy))

  const credentials = authorization.read(request.headers["authorization"])
  switch (credentials._tag) {
    case "None": {
      const known = users !== undefined || tokens !== undefined
      const name = request.certificate === undefined ? undefined : certificates?.(request.certificate)
      if (name !== undefined) {
        const caller = { name, claims: {} }
        const refusal = denied(caller, required)
        // The client may have other credentials, which it sends only after a challenge.
        return byPolicy(caller, () => known ? unauthorized(refusal.reason) : refuse(refusal))
      }
      if (known && isPing) return unauthorized(undefined)
      return byPolicy(
        Caller.anonymous,
        () =>
          known
            ? unauthorized(undefined)
            : refuse(anonymousDenied)
      )
    }
    case "Basic": {
      if (users === undefined) return unauthorized("this registry does not accept user names and passwords")
      const { password, username } = credentials
      return Answer.matchEffect(users.check({ username, password, address: addressOf(request) }), {
        onFailure: (error) => error._tag === "OciUnauthorized" ? unauthorized(error.reason) : refuse(error),
        onSuccess: byAccount
      })
    }
    case "Bearer": {
      const { token } = credentials
      if (idTokens?.accepts(token) === true) {
        return Answer.matchEffect(idTokens.verify(token), {
          onFailure: (error) =>
            error._tag === "OciTokenInvalid" ? unauthorized(error.reason, "invalid_token") : refuse(error),
          onSuccess: byAccount
        })
      }
      if (tokens === undefined) return unauthorized("this registry does not accept tokens")
      return Answer.matchEffect(tokens.verify(token), {
        onFailure: ({ reason }) => unauthorized(reason, "invalid_token"),
        onSuccess: ({ caller, granted }) =>
          admit(caller, granted) ??
            Answer.matchEffect(policy(Caller.anonymous, required), {
              onFailure: (error) => refuse(error),
              onSuccess: (anonymousScope) =>
                admit(caller, anonymousScope) ??
                  unauthorized("the token does not allow this", "insufficient_scope")
            })
      })
    }
    case "Malformed":
      return unauthorized("the Authorization header is malformed")
  }
}
