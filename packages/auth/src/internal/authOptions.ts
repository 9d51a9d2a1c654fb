import type * as AuthScope from "@effect-oci/core/AuthScope"
import type * as Redacted from "effect/Redacted"
import type * as TokenExchange from "../TokenExchange.js"

/**
 * What is known about a registry before the first request, such as values that another process received from it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Known {
  /** The value of the registry's `WWW-Authenticate` header. */
  readonly challenge: string
  readonly token?: {
    readonly value: string | Redacted.Redacted
    readonly scope: AuthScope.AuthScope
    /** When the token expires, in milliseconds since 1970. Default: never. */
    readonly expiresAt?: number | undefined
  } | undefined
}

/**
 * Options for `transport` and `layer`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends TokenExchange.Options {
  /**
   * The origin of the registry: `https://registry.example.com`. Requests to any other origin, such as the target of a
   * redirect, get no credentials. Default: the origin of each request counts as a registry of its own, and the request
   * gets the credentials for that origin. An invalid URL is a mistake in the program, and causes a defect.
   */
  readonly origin?: string | undefined
  /**
   * Token servers that may receive credentials although their domain is not the domain of the registry: an origin
   * (`https://auth.example.net`), or a URL with a path.
   */
  readonly trustedRealms?: ReadonlyArray<string> | undefined
  /**
   * The scope that tokens are requested for.
   *
   * - `"operation"`: the scope that the operation requires, and what a challenge names for the repositories of the
   *   operation.
   * - `"challenge"`: the scope of the challenge as it is written. Use it only for a registry whose proxy rewrites
   *   repository names, or whose scopes are opaque (`aws`): such a registry can make the client request a token for any
   *   repository of its token server.
   *
   * @default "operation"
   */
  readonly scopes?: "operation" | "challenge" | undefined
  /** What is known about the registry at `origin` before the first request. */
  readonly known?: Known | undefined
}
