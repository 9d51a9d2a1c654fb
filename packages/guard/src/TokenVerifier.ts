/**
 * The verification of bearer tokens by a server: JSON Web Tokens, whose claim `access` contains what they allow.
 *
 * @since 0.1.0
 */
import * as Answer from "@effect-oci/core/Answer"
import type * as AuthScope from "@effect-oci/core/AuthScope"
import type * as Caller from "@effect-oci/core/Caller"
import { LruMap } from "@effect-oci/core/LruMap"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as jose from "jose"
import * as accessClaim from "./internal/accessClaim.js"
import * as SecretHash from "./internal/secretHash.js"
import * as TokenKeys from "./TokenKeys.js"

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
 * A token is not valid. The reason contains no content of the token.
 *
 * @since 0.1.0
 * @category errors
 */
export class TokenInvalid extends Data.TaggedError("OciTokenInvalid")<{ readonly reason: string }> {
  override get message(): string {
    return this.reason
  }
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
export const maxLength = 16 * 1024

/** The number of verified tokens that are remembered. */
const capacity = 1000

const Claims = Schema.Struct({
  sub: Schema.optional(Schema.String),
  exp: Schema.Number,
  access: Schema.optional(accessClaim.Claim)
})
const decodeClaims = Schema.decodeUnknownEither(Claims)

/**
 * Returns the key of a token: the key with its id, or, for a token without an id, the only key of its algorithm. Keys
 * within the token are ignored.
 */
const keyOf = (keys: TokenKeys.Verifying, { alg, kid }: jose.JWTHeaderParameters): TokenKeys.VerificationKey => {
  const found = kid === undefined ? keys.all().filter(({ algorithm }) => algorithm === alg) : [keys.find(kid)]
  const [key] = found
  if (key === undefined || found.length > 1) throw new TokenInvalid({ reason: "the token is signed by an unknown key" })
  if (key.algorithm !== alg) {
    throw new TokenInvalid({ reason: "the token's algorithm is not the algorithm of its key" })
  }
  return key
}

/**
 * Converts an error of jose. Errors about time and claims get a reason of their own. For all others, the reason is that
 * the token does not verify.
 */
const invalid = (cause: unknown): TokenInvalid => {
  if (cause instanceof TokenInvalid) return cause
  if (cause instanceof jose.errors.JWTExpired) return new TokenInvalid({ reason: "the token has expired" })
  if (cause instanceof jose.errors.JWTClaimValidationFailed && /^[a-z]{1,10}$/.test(cause.claim)) {
    return new TokenInvalid({ reason: `the token's claim "${cause.claim}" is missing or wrong` })
  }
  return new TokenInvalid({ reason: "the token does not verify" })
}

interface Remembered extends Verified {
  readonly key: TokenKeys.VerificationKey
  /** When the token expires, in milliseconds since 1970. */
  readonly until: number
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
export const make = (options: Options): Effect.Effect<TokenVerifier> =>
  Effect.map(Effect.clock, (clock) => {
    const { audience, issuer, keys } = options
    const leeway = Duration.toSeconds(options.leeway ?? "30 seconds")
    const remembered = new LruMap<string, Remembered>(capacity)
    const hashSecret = SecretHash.make()

    const verify = async (token: string, now: number): Promise<Remembered> => {
      let key: TokenKeys.VerificationKey | undefined
      const { payload } = await jose.jwtVerify(
        token,
        (header) => {
          key = keyOf(keys, header)
          return key.publicKey
        },
        {
          issuer,
          audience,
          algorithms: [...TokenKeys.algorithms],
          requiredClaims: ["exp"],
          clockTolerance: leeway,
          currentDate: new Date(now)
        }
      )
      const claims = decodeClaims(payload)
      if (Either.isLeft(claims)) throw new TokenInvalid({ reason: `the token's claim "access" or "sub" is malformed` })
      const { access, exp, sub } = claims.right
      return {
        caller: { name: sub === "" ? undefined : sub, claims: payload },
        granted: accessClaim.toScope(access ?? []),
        key: key!,
        until: (exp + leeway) * 1000
      }
    }

    return (redacted) => {
      const token = Redacted.value(redacted)
      if (token.length > maxLength) return Answer.fail(new TokenInvalid({ reason: "the token is too long" }))
      const now = clock.unsafeCurrentTimeMillis()
      const id = hashSecret(token)
      const known = remembered.get(id)
      if (known !== undefined) {
        if (now < known.until && keys.find(known.key.id) === known.key) return Answer.succeed(known)
        remembered.delete(id)
      }
      return Effect.tap(
        Effect.tryPromise({ try: () => verify(token, now), catch: invalid }),
        (verified) => Effect.sync(() => remembered.set(id, verified))
      )
    }
  })
