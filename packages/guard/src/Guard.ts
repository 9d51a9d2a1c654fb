/**
 * A guard of a server's registry: it authenticates callers, and admits only the operations that they are granted.
 *
 * @since 0.1.0
 */
import * as Answer from "@effect-oci/core/Answer"
import * as AuthScope from "@effect-oci/core/AuthScope"
import * as Caller from "@effect-oci/core/Caller"
import * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import type { Ping, Rejected } from "@effect-oci/protocol/Request"
import type * as Wire from "@effect-oci/protocol/Wire"
import type * as Effect from "effect/Effect"
import type { IdTokens } from "./IdTokens.js"
import * as accounts from "./internal/accounts.js"
import * as authorization from "./internal/authorization.js"
import * as decision from "./internal/decision.js"
import * as Policy from "./Policy.js"
import type { TokenVerifier } from "./TokenVerifier.js"
import * as Users from "./Users.js"

/**
 * An operation that a guard admits, and its caller. The operation may differ from the requested one: a mount may become
 * an upload.
 *
 * @since 0.1.0
 * @category models
 */
export interface Admission {
  readonly operation: Operation.Operation | Ping
  readonly caller: Caller.Identity
  /** The credentials that the caller presented, for a client that acts on behalf of the caller. Default: none. */
  readonly presented?: Caller.Presentation | undefined
  /**
   * The headers of the response if the registry fails with `Unauthorized`: a challenge, so that a client learns how to
   * authenticate. Default: none.
   */
  readonly challenge?: Wire.Headers | undefined
}

/**
 * Decides whether to admit a request, before its body is read: the option `guard` of `RegistryServer` and
 * `NodeRegistryServer`. A refused request never reaches the registry, so the refusal is the same whether the requested
 * content exists or not.
 *
 * @since 0.1.0
 * @category models
 */
export interface Guard {
  (operation: Operation.Operation | Ping, request: Wire.Request): Effect.Effect<Admission, Rejected>
}

/**
 * The bearer tokens that a guard accepts, and the service that issues them.
 *
 * @since 0.1.0
 * @category models
 */
export interface Tokens {
  readonly verify: TokenVerifier
  /** The URL of the token service, as clients reach it. */
  readonly realm: string | ((request: Wire.Request) => string)
  /** The name of this registry at the token service: the audience of the tokens. */
  readonly service: string
}

/**
 * Options for {@link make}. Without `users`, `tokens` and `idTokens`, all callers are anonymous, and only
 * the policy decides.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * The users who may authenticate with a name and a password: Basic authentication,
   * [RFC 7617](https://www.rfc-editor.org/rfc/rfc7617).
   */
  readonly users?: Users.Users | undefined
  /**
   * The tokens that callers may authenticate with: [RFC 6750](https://www.rfc-editor.org/rfc/rfc6750), and the
   * distribution project's [token authentication](https://distribution.github.io/distribution/spec/auth/token/).
   */
  readonly tokens?: Tokens | undefined
  /**
   * The ID tokens of other issuers that callers may authenticate with: as a bearer token, or as a password. Their rules
   * decide what the callers may do, in place of the policy.
   */
  readonly idTokens?: IdTokens | undefined
  /**
   * The policy for callers without a token. Callers with a token may in addition do what the policy allows anonymous
   * callers, such as to pull public images. Default: `Policy.authenticated`, which grants everything to users with a
   * name, and nothing to anonymous callers.
   */
  readonly policy?: Policy.Policy | undefined
  /**
   * Returns the name of the caller of a certificate, or `undefined` if it may not identify a caller. The policy decides
   * about the caller as about a user with this name. It applies to requests without other credentials. The server needs
   * the option `tls.clientAuthorities`; behind a proxy that ends TLS there are no certificates. Default: certificates do
   * not count.
   */
  readonly certificates?: ((certificate: Wire.Certificate) => string | undefined) | undefined
  /** The name that clients show to users who log in. Default: `registry`. */
  readonly realm?: string | undefined
  /**
   * Returns the address of a request's client, by which wrong passwords are counted. Default: the address of the
   * connection. Behind a proxy, that is the proxy's address for all clients: return the address in the header that the
   * proxy writes, but only if the proxy always overwrites that header.
   */
  readonly address?: ((request: Wire.Request) => string | undefined) | undefined
  /**
   * Whether to pass on the credentials that an admitted caller presented (`Caller.Presented`), for a client that acts on
   * behalf of the caller at an upstream registry with the same users or tokens. Default: `false`.
   */
  readonly present?: boolean | undefined
}

/**
 * Creates a guard that accepts names and passwords, tokens, or both. It admits an operation if and only if the scope
 * that the caller is granted contains the operation's `Operation.requiredScope`.
 *
 * - Without credentials: the guard admits what the policy allows anonymous callers. Otherwise it fails with
 *   `Unauthorized`, 401, and a challenge that names the scope. `GET /v2/` is always challenged, because clients learn
 *   there how to log in.
 * - With wrong credentials: 401, with `error="invalid_token"` for a token. After too many wrong passwords: 429.
 * - With a token that grants too little: 401 with `error="insufficient_scope"`, so that the client requests another
 *   token. With a password: `Denied`, 403.
 * - A mount continues as an upload (202), as if the blob did not exist, if the caller may not pull from the source
 *   repository, or if the mount names no source and the caller is not granted `AuthScope.unlimited`.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Guard } from "@effect-oci/guard"
 * import * as NodeHtpasswd from "@effect-oci/guard/NodeHtpasswd"
 * import * as NodeRegistryServer from "@effect-oci/server/NodeRegistryServer"
 * import { Effect, Layer } from "effect"
 *
 * const server = Layer.unwrapScoped(Effect.gen(function*() {
 *   const users = yield* NodeHtpasswd.make({ path: "/etc/registry/htpasswd" })
 *   return NodeRegistryServer.layer({ port: 5000, guard: Guard.make({ users }) })
 * }))
 * ```
 */
export const make = (options: Options): Guard => {
  const decide = deciding(options)
  const guard: Guard = (operation, request) => {
    const isPing = operation._tag === "Ping"
    const required = isPing ? AuthScope.empty : Operation.requiredScope(operation)
    return decide({
      required,
      request,
      isPing,
      admit: (caller, granted) => admit(caller, granted, operation, required)
    })
  }
  return options.present === true ? presenting(guard) : guard
}

/**
 * Decides whether a caller has a scope: for handlers beside the registry, such as `AdminApi`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Authorize {
  (required: AuthScope.AuthScope, request: Wire.Request): Effect.Effect<Caller.Identity, Rejected>
}

/**
 * Creates a function that authenticates the caller of a request as {@link make} does, and fails if the caller is not
 * granted a scope.
 *
 * @since 0.1.0
 * @category constructors
 */
export const authorize = (options: Options): Authorize => {
  const decide = deciding(options)
  return (required, request) =>
    decide({
      required,
      request,
      isPing: false,
      admit: (caller, granted) => AuthScope.contains(granted, required) ? Answer.succeed(caller) : undefined
    })
}

/** Returns the options of a guard with their defaults. */
const settingsOf = ({ idTokens, policy = Policy.authenticated, users, ...options }: Options) => ({
  ...options,
  idTokens,
  policy,
  users: idTokens === undefined ? users : accounts.withIdTokens(users ?? Users.none, idTokens),
  addressOf: options.address ?? ((request: Wire.Request) => request.remoteAddress)
})

/**
 * Creates a function that authenticates the caller of a request, and calls `admit` with each scope that the caller may
 * have, until one is enough.
 */
const deciding = (options: Options) => {
  const settings = settingsOf(options)
  const challenge = authorization.challenges({
    realm: options.realm ?? "registry",
    users: settings.users,
    tokens: options.tokens
  })
  return <A>(request: decision.Decision<A>) => decision.decide(settings, challenge, request)
}

const presenting = (guard: Guard): Guard => (operation, request) => {
  const credentials = authorization.read(request.headers["authorization"])
  const presented = credentials._tag === "Basic" || credentials._tag === "Bearer" ? credentials : undefined
  return Answer.map(guard(operation, request), (admission) => ({ ...admission, presented }))
}

/**
 * Options for {@link passThrough}.
 *
 * @since 0.1.0
 * @category models
 */
export interface PassThroughOptions {
  /** The name that clients show to users who log in. Default: `registry`. */
  readonly realm?: string | undefined
}

/**
 * Creates a guard for a server in front of an upstream registry that decides itself. It verifies nothing and admits every
 * operation. It passes on the name and password, or the token, that the caller presented (`Caller.Presented`), for a
 * client with `Credentials.layerCaller`. The caller stays anonymous, because the name is not verified.
 *
 * `GET /v2/` without credentials is challenged (`Basic`), and so is an operation that the upstream answers with
 * `Unauthorized`. A login succeeds with any password: the upstream refuses a wrong one when it is used.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Guard } from "@effect-oci/guard"
 * import * as NodeRegistryServer from "@effect-oci/server/NodeRegistryServer"
 *
 * const server = NodeRegistryServer.layer({ port: 5000, guard: Guard.passThrough() })
 * ```
 */
export const passThrough = (options?: PassThroughOptions): Guard => {
  const challenge = authorization.challenges({ realm: options?.realm ?? "registry", users: true, tokens: undefined })
  return (operation, request) => {
    const credentials = authorization.read(request.headers["authorization"])
    const headers = challenge(request, AuthScope.empty)
    if (credentials._tag === "Malformed") {
      return decision.refuse(
        new RegistryError.Unauthorized({ reason: "the Authorization header is malformed" }),
        headers
      )
    }
    return credentials._tag === "None" && operation._tag === "Ping"
      ? decision.refuse(new RegistryError.Unauthorized({}), headers)
      : Answer.succeed({
        operation,
        caller: Caller.anonymous,
        presented: credentials._tag === "None" ? undefined : credentials,
        challenge: headers
      })
  }
}

const admit = (
  caller: Caller.Identity,
  granted: AuthScope.AuthScope,
  operation: Operation.Operation | Ping,
  required: AuthScope.AuthScope
): Effect.Effect<Admission> | undefined => {
  const enough = AuthScope.contains(granted, required)
  if (operation._tag !== "MountBlob") return enough ? Answer.succeed({ caller, operation }) : undefined
  // Without a source, the registry may mount the blob from a repository that the caller may not pull.
  if (enough && (operation.from !== undefined || AuthScope.isUnlimited(granted))) {
    return Answer.succeed({ caller, operation })
  }
  const upload = Operation.uploadInstead(operation)
  return AuthScope.contains(granted, Operation.requiredScope(upload))
    ? Answer.succeed({ caller, operation: upload })
    : undefined
}
