import * as Caller from "@effect-oci/core/Caller"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Effect from "effect/Effect"
import type { IdTokens } from "../IdTokens.js"
import * as Policy from "../Policy.js"
import * as Users from "../Users.js"

/** Returns the policy for an account: its own policy, with what anonymous callers may do, or the registry's policy. */
export const policyOf = ({ policy: own }: Users.Account, policy: Policy.Policy): Policy.Policy =>
  own === undefined ? policy : Policy.any(own, (_, requested) => policy(Caller.anonymous, requested))

/** Creates users that may also log in with an ID token as their password. */
export const withIdTokens = (users: Users.Users, idTokens: IdTokens): Users.Users =>
  Users.route((username) => username === idTokens.username ? passwordsOf(idTokens) : users)

const passwordsOf = (idTokens: IdTokens): Users.Users => ({
  check: ({ password }) =>
    Effect.catchTag(
      idTokens.verify(password),
      "OciTokenInvalid",
      ({ reason }) => new RegistryError.Unauthorized({ reason })
    ),
  find: () => Effect.succeed(undefined)
})
