/**
 * Bearer tokens as servers read them: JSON Web Tokens, with what they allow in the claim `access`.
 *
 * @since 0.1.0
 */
import type * as AuthScope from "@effect-oci/core/AuthScope"
import type * as Caller from "@effect-oci/core/Caller"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as jose from "jose"
import * as accessClaim from "./internal/accessClaim.js"
import * as Bounded from "./internal/bounded.js"
import * as Keyed from "./internal/keyed.js"
import * as TokenKeys from "./TokenKeys.js"

/**
 * Whose tokens are taken, and for whom they must be made.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The claim `iss`. */
  readonly issuer: string
  /** The claim `aud`, or one of it: this registry's service. */
  readonly audience: string
  /** The keys of the issuer. */
  readonly keys: TokenKeys.Verifying
  /** How far clocks may be apart: 30 seconds if not given. */
  readonly leeway?: Duration.DurationInput | undefined
}

/**
 * What a token says: who has it, and what it allows.
 *
 * @since 0.1.0
 * @category models
 */
export interface Verified {
  readonly caller: Caller.Identity
  readonly granted: AuthScope.AuthScope
}

/**
 * A token does not count. The reason says nothing of what is in it.
 *
 * @since 0.1.0
 * @category errors
 */
export class TokenInvalid extends Data.TaggedError("TokenInvalid")<{ readonly reason: string }> {
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
 * The longest token that is looked at, in characters.
 *
 * @since 0.1.0
 * @category constants
 */
export const maxLength = 16 * 1024

/** How many verified tokens are remembered. */
const capacity = 1000

const Claims = Schema.Struct({
  sub: Schema.optional(Schema.String),
  exp: Schema.Number,
  access: Schema.optional(accessClaim.Claim)
})
const decodeClaims = Schema.decodeUnknownEither(Claims)

/** The key of a token: by its id, else the only one of its algorithm. What a token brings along itself does not count. */
const keyOf = (keys: TokenKeys.Verifying, { alg, kid }: jose.JWTHeaderParameters): TokenKeys.VerificationKey => {
  const found = kid === undefined ? keys.all().filter(({ algorithm }) => algorithm === alg) : [keys.find(kid)]
  const [key] = found
  if (key === undefined || found.length > 1) throw new TokenInvalid({ reason: "the token is signed by an unknown key" })
  if (key.algorithm !== alg) {
    throw new TokenInvalid({ reason: "the token's algorithm is not that of its key" })
  }
  return key
}

/** What jose says of time and claims is plain; of all else it is enough that the token does not verify. */
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
  /** In milliseconds. */
  readonly until: number
}

/**
 * A verifier of the tokens of one issuer for one service, with its own memory of those that were right: it is bounded,
 * knows them by a keyed hash, and forgets them when they expire, or when their key does not count any more.
 *
 * A token is signed by one of the `keys`, with the algorithm of that key; one with none, by a key that it names itself
 * (`jwk`, `x5c`, `jku`), of another issuer or audience, not yet or no longer valid, without an end, or longer than
 * {@link maxLength}, is `TokenInvalid`. RFC 8725.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options): Effect.Effect<TokenVerifier> =>
  Effect.map(Effect.clock, (clock) => {
    const { audience, issuer, keys } = options
    const leeway = Duration.toSeconds(options.leeway ?? "30 seconds")
    const remembered = Bounded.make<Remembered>(capacity)
    const keyed = Keyed.make()

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
      if (token.length > maxLength) return Exit.fail(new TokenInvalid({ reason: "the token is too long" }))
      const now = clock.unsafeCurrentTimeMillis()
      const id = keyed(token)
      const known = remembered.get(id)
      if (known !== undefined) {
        if (now < known.until && keys.find(known.key.id) === known.key) return Exit.succeed(known)
        remembered.delete(id)
      }
      return Effect.tap(
        Effect.tryPromise({ try: () => verify(token, now), catch: invalid }),
        (verified) => Effect.sync(() => remembered.set(id, verified))
      )
    }
  })
