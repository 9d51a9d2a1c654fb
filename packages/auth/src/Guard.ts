/**
 * What stands before a server's registry: it asks who is there, and lets through what they may.
 *
 * @since 0.1.0
 */
import * as AuthScope from "@effect-oci/core/AuthScope"
import * as Caller from "@effect-oci/core/Caller"
import * as Handler from "@effect-oci/core/Handler"
import * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import { Rejected } from "@effect-oci/protocol/Request"
import type { Ping } from "@effect-oci/protocol/Request"
import type * as Wire from "@effect-oci/protocol/Wire"
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as authorization from "./internal/authorization.js"
import * as Policy from "./Policy.js"
import type { TokenVerifier } from "./TokenVerifier.js"
import type { Users } from "./Users.js"

/**
 * What a guard lets through: an operation, which may be another than was asked for, and who asks.
 *
 * @since 0.1.0
 * @category models
 */
export interface Admission {
  readonly operation: Operation.Operation | Ping
  readonly caller: Caller.Identity
}

/**
 * Decides about each request of a server, by what it is and before its body is read: the option `guard` of
 * `RegistryServer` and `NodeRegistryServer`. What it refuses never reaches the registry, so that a refusal is the same
 * whether what was asked for is there or not.
 *
 * @since 0.1.0
 * @category models
 */
export interface Guard {
  (operation: Operation.Operation | Ping, request: Wire.Request): Effect.Effect<Admission, Rejected>
}

/**
 * Bearer tokens: whose are taken, and where to get them.
 *
 * @since 0.1.0
 * @category models
 */
export interface Tokens {
  readonly verify: TokenVerifier
  /** Where tokens are to be had: the URL of the token service, as clients reach it. */
  readonly realm: string | ((request: Wire.Request) => string)
  /** What the token service calls this registry: the tokens' audience. */
  readonly service: string
}

/**
 * Who is known, and what they may. With neither `users` nor `tokens` nobody can say who they are, and the policy is that
 * of anonymous callers.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Those who may come with a name and a password: Basic authentication, RFC 7617. */
  readonly users?: Users | undefined
  /** Those who may come with a token: RFC 6750, and the distribution project's "Token Authentication". */
  readonly tokens?: Tokens | undefined
  /**
   * What callers without a token may do: who has a name everything, and nobody else anything, if not given. What it
   * allows anonymous callers, such as to pull what is public, those with a token may too.
   */
  readonly policy?: Policy.Policy | undefined
  /** What people are asked to log in to: `registry` if not given. */
  readonly realm?: string | undefined
  /**
   * Where a request comes from, for counting wrong passwords: the address of the connection if not given. Behind a proxy
   * that is the proxy's for everyone: take what it writes into a header then, but only from a proxy that writes it anew.
   */
  readonly address?: ((request: Wire.Request) => string | undefined) | undefined
}

/**
 * A guard that takes names and passwords, tokens, or both, and lets an operation through if and only if the scope that
 * its caller is granted contains `Operation.requiredScope` of it.
 *
 * - Without credentials: what the policy allows anonymous callers; else `Unauthorized`, 401, with a challenge that names
 *   the scope. `GET /v2/` is always challenged, since clients learn there how to log in.
 * - With credentials that are wrong: 401, with `error="invalid_token"` for a token. After too many of them 429.
 * - With too little of a token: 401 with `error="insufficient_scope"`, upon which clients get another. With a password:
 *   `Denied`, 403.
 * - A mount from where the caller may not pull, or from anywhere, goes on as an upload (202), as if the blob were not
 *   there.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Guard } from "@effect-oci/auth"
 * import * as NodeHtpasswd from "@effect-oci/auth/NodeHtpasswd"
 * import { NodeRegistryServer } from "@effect-oci/server"
 * import { Effect, Layer } from "effect"
 *
 * const server = Layer.unwrapScoped(Effect.gen(function*() {
 *   const users = yield* NodeHtpasswd.make({ path: "/etc/registry/htpasswd" })
 *   return NodeRegistryServer.layer({ port: 5000, guard: Guard.make({ users }) })
 * }))
 * ```
 */
export const make = (options: Options): Guard => {
  const { policy = Policy.authenticated, tokens, users } = options
  const addressOf = options.address ?? ((request) => request.remoteAddress)
  const challenge = authorization.challenges({ realm: options.realm ?? "registry", users, tokens })

  return (operation, request) => {
    const required = operation._tag === "Ping" ? AuthScope.empty : Operation.requiredScope(operation)

    const unauthorized = (reason: string | undefined, error?: authorization.BearerError) =>
      refuse(new RegistryError.Unauthorized({ reason }), challenge(request, required, error))

    /** What a policy says of who comes without a token, and what becomes of those whom it refuses. */
    const bySaying = (caller: Caller.Identity, refused: () => Exit.Exit<never, Rejected>) =>
      Handler.matchEffect(policy(caller, required), {
        onFailure: (error) => refuse(error),
        onSuccess: (granted) => admit(caller, granted, operation, required) ?? refused()
      })

    const credentials = authorization.read(request.headers["authorization"])
    switch (credentials._tag) {
      case "None": {
        const known = users !== undefined || tokens !== undefined
        if (known && operation._tag === "Ping") return unauthorized(undefined)
        return bySaying(
          Caller.anonymous,
          () =>
            known ? unauthorized(undefined) : refuse(new RegistryError.Denied({ reason: "it is not open to everyone" }))
        )
      }
      case "Basic": {
        if (users === undefined) return unauthorized("names and passwords are not taken here")
        const { password, username } = credentials
        return Handler.matchEffect(users.check({ username, password, address: addressOf(request) }), {
          onFailure: (error) => error._tag === "Unauthorized" ? unauthorized(error.reason) : refuse(error),
          onSuccess: ({ identity }) => bySaying(identity, () => refuse(denied(identity, required)))
        })
      }
      case "Bearer": {
        if (tokens === undefined) return unauthorized("tokens are not taken here")
        return Handler.matchEffect(tokens.verify(credentials.token), {
          onFailure: ({ reason }) => unauthorized(reason, "invalid_token"),
          onSuccess: ({ caller, granted }) =>
            admit(caller, granted, operation, required) ??
              Handler.matchEffect(policy(Caller.anonymous, required), {
                onFailure: (error) => refuse(error),
                onSuccess: (open) =>
                  admit(caller, open, operation, required) ??
                    unauthorized("the token does not allow this", "insufficient_scope")
              })
        })
      }
      case "Malformed":
        return unauthorized("the credentials cannot be read")
    }
  }
}

const refuse = (error: RegistryError.RegistryError, headers?: Wire.Headers): Exit.Exit<never, Rejected> =>
  Exit.fail(new Rejected({ error, headers }))

const denied = ({ name }: Caller.Identity, required: AuthScope.AuthScope) =>
  new RegistryError.Denied({ reason: `"${name}" is not granted ${AuthScope.format(required)}` })

const admit = (
  caller: Caller.Identity,
  granted: AuthScope.AuthScope,
  operation: Operation.Operation | Ping,
  required: AuthScope.AuthScope
): Exit.Exit<Admission> | undefined => {
  const enough = AuthScope.contains(granted, required)
  if (operation._tag !== "MountBlob") return enough ? Exit.succeed({ caller, operation }) : undefined
  // Without a source the registry may take the blob from where the caller may not pull.
  if (enough && (operation.from !== undefined || AuthScope.isUnlimited(granted))) {
    return Exit.succeed({ caller, operation })
  }
  const upload = Operation.uploadInstead(operation)
  return AuthScope.contains(granted, Operation.requiredScope(upload))
    ? Exit.succeed({ caller, operation: upload })
    : undefined
}
