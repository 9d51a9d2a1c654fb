/** Servers that require credentials, and clients that have them. */
import { Credential, Credentials } from "@effect-oci/auth"
import { RegistryError } from "@effect-oci/core"
import type { Registry } from "@effect-oci/core"
import { Guard, Policy, TokenKeys, TokenService, TokenVerifier } from "@effect-oci/guard"
import type { Users } from "@effect-oci/guard"
import { hop } from "@effect-oci/testing/NodeHop"
import { Effect, Layer, Redacted } from "effect"

const password = Redacted.make("CANARY-matrix")
const alice: Users.Account = { identity: { name: "alice", claims: {} }, version: "" }

const users: Users.Users = {
  check: (attempt) =>
    attempt.username === "alice" && Redacted.value(attempt.password) === Redacted.value(password)
      ? Effect.succeed(alice)
      : new RegistryError.Unauthorized({}),
  find: () => Effect.succeed(alice)
}

/** The credentials of alice, for every registry. */
const credentials = Layer.succeed(Credentials.Credentials, {
  get: () => Effect.succeed([Credential.basic("alice", password)])
})

/** Serves a registry that requires a password, and returns a client that has it. */
export const byPassword = (registry: Layer.Layer<Registry>): Layer.Layer<Registry> =>
  hop(registry, { guard: Guard.make({ users }) }).pipe(Layer.provide(credentials))

/** Serves a registry that requires tokens and issues them, and returns a client that requests them with a password. */
export const byToken = (registry: Layer.Layer<Registry>): Layer.Layer<Registry> =>
  Layer.unwrapEffect(Effect.gen(function*() {
    const names = { issuer: "matrix", service: "registry" }
    const keys = yield* TokenKeys.ring(yield* TokenKeys.generate())
    const tokens = yield* TokenService.make({ ...names, keys, users, policy: Policy.authenticated })
    const verify = yield* TokenVerifier.make({ issuer: names.issuer, audience: names.service, keys })
    const realm: Guard.Tokens["realm"] = ({ headers }) => `http://${headers["host"]}/token`
    const guard = Guard.make({ tokens: { verify, realm, service: names.service } })
    return hop(registry, { guard, mounts: { "/token": tokens.answer } })
  })).pipe(Layer.provide(credentials))
