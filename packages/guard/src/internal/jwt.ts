import * as Answer from "@effect-oci/core/Answer"
import { LruMap } from "@effect-oci/core/LruMap"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as jose from "jose"
import * as TokenKeys from "../TokenKeys.js"
import * as SecretHash from "./secretHash.js"

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

/** The maximum length of a token, in characters. */
export const maxLength = 16 * 1024

/** The number of verified tokens that are remembered. */
const capacity = 1000

const keyUnknown = new TokenInvalid({ reason: "the token is signed by an unknown key" })

/**
 * Returns the key of a token: the key with its id, or, for a token without an id, the only key of its algorithm. Keys
 * within the token are ignored.
 */
const keyOf = (keys: TokenKeys.Verifying, { alg, kid }: jose.JWTHeaderParameters): TokenKeys.VerificationKey => {
  const found = kid === undefined ? keys.all().filter(({ algorithm }) => algorithm === alg) : [keys.find(kid)]
  const [key] = found
  if (key === undefined || found.length > 1) throw keyUnknown
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

export interface Options<A> {
  readonly issuer: string
  readonly audience: string
  readonly keys: TokenKeys.Verifying
  readonly leeway: Duration.DurationInput
  /** The claims that a token must have, in addition to those that are checked. */
  readonly requiredClaims: ReadonlyArray<string>
  /** How long ago a token may have been issued. Default: any time. */
  readonly maxAge?: Duration.DurationInput | undefined
  /** Reads the claims of a valid token. May throw a `TokenInvalid`. */
  readonly read: (claims: jose.JWTPayload) => A
  /** Runs when no key has the id of a token, before the keys are searched once more. Default: nothing. */
  readonly findKey?: Effect.Effect<void> | undefined
}

interface Remembered<A> {
  readonly value: A
  readonly key: TokenKeys.VerificationKey
  /** When the token expires, in milliseconds since 1970. */
  readonly until: number
}

/**
 * Creates a verifier of JSON Web Tokens. It remembers valid tokens in a bounded table, by a keyed hash. It forgets a
 * token when the token expires, or when its key is removed. https://www.rfc-editor.org/rfc/rfc8725
 */
export const make = <A>(
  options: Options<A>
): Effect.Effect<(token: Redacted.Redacted<string>) => Effect.Effect<A, TokenInvalid>> =>
  Effect.map(Effect.clock, (clock) => {
    const { audience, findKey, issuer, keys, maxAge, read, requiredClaims } = options
    const leeway = Duration.toSeconds(options.leeway)
    const remembered = new LruMap<string, Remembered<A>>(capacity)
    const hashSecret = SecretHash.make()

    const verify = async (token: string, now: number): Promise<Remembered<A>> => {
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
          requiredClaims: ["exp", ...requiredClaims],
          ...(maxAge === undefined ? {} : { maxTokenAge: Duration.toSeconds(maxAge) }),
          clockTolerance: leeway,
          currentDate: new Date(now)
        }
      )
      return { value: read(payload), key: key!, until: (payload.exp! + leeway) * 1000 }
    }

    return (redacted) => {
      const token = Redacted.value(redacted)
      if (token.length > maxLength) return Answer.fail(new TokenInvalid({ reason: "the token is too long" }))
      const now = clock.unsafeCurrentTimeMillis()
      const id = hashSecret(token)
      const known = remembered.get(id)
      if (known !== undefined) {
        if (now < known.until && keys.find(known.key.id) === known.key) return Answer.succeed(known.value)
        remembered.delete(id)
      }
      const verified = Effect.tryPromise({ try: () => verify(token, now), catch: invalid })
      return Effect.map(
        findKey === undefined ? verified : Effect.catchIf(
          verified,
          (error) => error === keyUnknown,
          () => Effect.zipRight(findKey, verified)
        ),
        (found) => {
          remembered.set(id, found)
          return found.value
        }
      )
    }
  })
