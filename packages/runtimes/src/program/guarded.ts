/** A registry for users with tokens. */
import { Unauthorized } from "@effect-oci/core/RegistryError"
import * as Guard from "@effect-oci/guard/Guard"
import * as Policy from "@effect-oci/guard/Policy"
import * as TokenKeys from "@effect-oci/guard/TokenKeys"
import * as TokenService from "@effect-oci/guard/TokenService"
import * as TokenVerifier from "@effect-oci/guard/TokenVerifier"
import type * as Users from "@effect-oci/guard/Users"
import type * as RegistryServer from "@effect-oci/server/RegistryServer"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"

export const user = "alice"
export const password = "correct horse battery staple"

const alice: Users.Account = { identity: { name: user, claims: {} }, version: "" }

const users: Users.Users = {
  check: ({ password: attempt, username }) =>
    username === user && Redacted.value(attempt) === password ? Effect.succeed(alice) : new Unauthorized({}),
  find: () => Effect.succeed(alice)
}

const names = { issuer: "runtimes", service: "registry" }

/** Options of a server that requires tokens, and issues them at the path `/token`. */
export const options = (realm: Guard.Tokens["realm"]): Effect.Effect<RegistryServer.Options> =>
  Effect.gen(function*() {
    const keys = yield* TokenKeys.ring(yield* TokenKeys.generate())
    const tokens = yield* TokenService.make({ ...names, keys, users, policy: Policy.authenticated })
    const verify = yield* TokenVerifier.make({ issuer: names.issuer, audience: names.service, keys })
    const guard = Guard.make({ tokens: { verify, realm, service: names.service } })
    return { guard, mounts: { "/token": tokens.answer } }
  })
