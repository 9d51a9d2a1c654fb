/**
 * The verification of bearer tokens by a server: JSON Web Tokens, whose claim `access` contains what they allow.
 *
 * @since 0.1.0
 */
import type * as AuthScope from "@effect-oci/core/AuthScope"
import type * as Caller from "@effect-oci/core/Caller"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as accessClaim from "./internal/accessClaim.js"
import * as jwt from "./internal/jwt.js"
import { TokenInvalid } from "./internal/jwt.js"
import type * as TokenKeys from "./TokenKeys.js"

/**
 * Options for {@link make}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The issuer that tokens must have: the claim `iss`. */
  readonly issuer: string
  /** The audience that tokens must have: the claim `aud`, or one of its values. This is the registry's `service`. */
  readonly audience: string
  /** The keys of the issuer. */
  readonly keys: TokenKeys.Verifying
  /** The maximum difference between the clocks of issuer and server. Default: 30 seconds. */
  readonly leeway?: Duration.DurationInput | undefined
}

/**
 * The content of a verified token: its caller, and the scope that it grants.
 *
 * @since 0.1.0
 * @category models
 */
export interface Verified {
  readonly caller: Caller.Identity
  readonly granted: AuthScope.AuthScope
}

/**
 * Verifies a token.
 *
 * @since 0.1.0
 * @category models
 */
export interface TokenVerifier {
  (token: Redacted.Redacted<string>): Effect.Effect<Verified, TokenInvalid>
}

/**
 * The maximum length of a token, in characters. Longer tokens are refused without parsing.
 *
 * @since 0.1.0
 * @category constants
 */
export const maxLength: number = jwt.maxLength

export { TokenInvalid }

const Claims = Schema.Struct({
  sub: Schema.optional(Schema.String),
  access: Schema.optional(accessClaim.Claim)
})
const decodeClaims = Schema.decodeUnknownEither(Claims)

const read = (payload: { readonly [claim: string]: unknown }): Verified => {
  const claims = decodeClaims(payload)
  if (Either.isLeft(claims)) throw new TokenInvalid({ reason: `the token's claim "access" or "sub" is malformed` })
  const { access, sub } = claims.right
  return {
    caller: { name: sub === "" ? undefined : sub, claims: payload },
    granted: accessClaim.toScope(access ?? [])
  }
}

/**
 * Creates a verifier for the tokens of one issuer for one service. The verifier remembers valid tokens in a bounded
 * table, by a keyed hash. It forgets a token when the token expires, or when its key is removed.
 *
 * A token must be signed by one of `keys`, with the algorithm of that key. Fails with `TokenInvalid` if a token is
 * unsigned; is signed by a key that the token itself contains or names (`jwk`, `x5c`, `jku`); has another issuer or
 * audience; is not yet or no longer valid; has no expiry; or is longer than {@link maxLength}.
 * [RFC 8725](https://www.rfc-editor.org/rfc/rfc8725).
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = ({ leeway = "30 seconds", ...options }: Options): Effect.Effect<TokenVerifier> =>
  jwt.make({ ...options, leeway, requiredClaims: [], read })
