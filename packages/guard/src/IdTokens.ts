/**
 * ID tokens: JSON Web Tokens by which an issuer such as a CI system says who a workload is
 * ([OpenID Connect](https://openid.net/specs/openid-connect-core-1_0.html#IDToken)). A workload pushes and pulls with
 * them, so that no secret has to be stored.
 *
 * @since 0.1.0
 */
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as HttpClient from "@effect/platform/HttpClient"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as jose from "jose"
import * as idTokenRules from "./internal/idTokenRules.js"
import * as issuerKeys from "./internal/issuerKeys.js"
import * as jwt from "./internal/jwt.js"
import type { TokenInvalid } from "./internal/jwt.js"
import type { Issuer } from "./Issuer.js"
import type { Account } from "./Users.js"

/**
 * Options for {@link make}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly issuers: ReadonlyArray<Issuer>
  /**
   * The audience that tokens must have: the claim `aud`, or one of its values. Use the name of the registry, so that a
   * token for another service is refused.
   */
  readonly audience: string
  /**
   * The user name of a login whose password is an ID token.
   *
   * @default "oidc"
   */
  readonly username?: string | undefined
  /**
   * How often the keys of an issuer are read again. A token with an unknown key makes them be read earlier.
   *
   * @default "1 hour"
   */
  readonly refreshEvery?: Duration.DurationInput | undefined
  /**
   * How long the known keys of an issuer are used if they cannot be read again.
   *
   * @default "24 hours"
   */
  readonly keepKeysFor?: Duration.DurationInput | undefined
  /**
   * The time between two attempts to read the keys of an issuer because of tokens with an unknown key.
   *
   * @default "30 seconds"
   */
  readonly retryAfter?: Duration.DurationInput | undefined
  /**
   * How long ago a token may have been issued, even if it has not expired.
   *
   * @default "24 hours"
   */
  readonly maxAge?: Duration.DurationInput | undefined
  /**
   * The maximum difference between the clocks of issuer and server.
   *
   * @default "30 seconds"
   */
  readonly leeway?: Duration.DurationInput | undefined
}

/**
 * The ID tokens that a server accepts: the option `idTokens` of `Guard` and `TokenService`.
 *
 * @since 0.1.0
 * @category models
 */
export interface IdTokens {
  /** The user name of a login whose password is an ID token. */
  readonly username: string
  /** Returns whether a token says that it is from one of the issuers. Does not verify the token. */
  readonly accepts: (token: Redacted.Redacted<string>) => boolean
  /**
   * Verifies a token. Returns an account whose policy is what the rules of the issuer grant. Fails with `Unavailable` if
   * the keys of the issuer cannot be read.
   */
  readonly verify: (
    token: Redacted.Redacted<string>
  ) => Effect.Effect<Account, TokenInvalid | RegistryError.Unavailable>
}

/**
 * The options of an issuer cannot be used.
 *
 * @since 0.1.0
 * @category errors
 */
export class IssuerInvalid extends Data.TaggedError("OciIssuerInvalid")<{
  readonly issuer: string
  readonly reason: string
}> {
  override get message(): string {
    return `cannot use the issuer "${this.issuer}": ${this.reason}`
  }
}

/** The maximum length of a subject, in characters. */
const maxSubject = 512

const problemOf = ({ keysUrl, name, url }: Issuer): string | undefined => {
  if (!/^[a-z0-9-]+$/.test(name)) return "a name has lower-case letters, digits and -"
  if (![url, keysUrl ?? url].every((each) => URL.canParse(each) && /^https?:/.test(each))) {
    return "it needs an https URL"
  }
  return undefined
}

const makeIssuer = (issuer: Issuer, options: Options, client: HttpClient.HttpClient) =>
  Effect.gen(function*() {
    const { ignoreCase = false, name, rules, url } = issuer
    const invalid = (reason: string) => new IssuerInvalid({ issuer: name, reason })
    const problem = problemOf(issuer)
    if (problem !== undefined) return yield* invalid(problem)
    const policyOf = yield* Either.mapLeft(idTokenRules.compile(rules, issuer.claims, ignoreCase), invalid)
    const decode = Schema.decodeUnknownEither(issuer.claims)
    const keys = yield* issuerKeys.make({
      issuer: url,
      keysUrl: issuer.keysUrl,
      refreshEvery: options.refreshEvery ?? "1 hour",
      keepFor: options.keepKeysFor ?? "24 hours",
      retryAfter: options.retryAfter ?? "30 seconds"
    }, client)
    const verify = yield* jwt.make({
      issuer: url,
      audience: issuer.audience ?? options.audience,
      keys,
      leeway: options.leeway ?? "30 seconds",
      requiredClaims: ["iat", "sub"],
      maxAge: options.maxAge ?? "24 hours",
      findKey: keys.refresh,
      read: (payload): Account => {
        const claims = decode(payload)
        if (Either.isLeft(claims) || payload.sub === undefined || payload.sub.length > maxSubject) {
          throw new jwt.TokenInvalid({ reason: "the token has not the claims of its issuer" })
        }
        return {
          identity: { name: `${name}:${payload.sub}`, claims: claims.right },
          version: undefined,
          policy: policyOf(claims.right)
        }
      }
    })
    return (token: Redacted.Redacted<string>): ReturnType<IdTokens["verify"]> =>
      Effect.mapError(verify(token), (error) =>
        keys.isKnown() ? error : new RegistryError.Unavailable({
          reason: `the keys of the issuer "${name}" cannot be read: try again later`,
          retryAfter: 30_000
        }))
  })

const issuerOf = (token: Redacted.Redacted<string>): string | undefined => {
  const text = Redacted.value(token)
  if (text.length > jwt.maxLength) return undefined
  try {
    return jose.decodeJwt(text).iss
  } catch {
    return undefined
  }
}

/**
 * Creates the ID tokens of several issuers. Scoped fibers read the keys of each issuer. An issuer that cannot be reached
 * does not prevent the start: its tokens are refused with 503 until its keys were read.
 *
 * A token must be signed with an asymmetric algorithm (ES256, RS256, EdDSA) by a key that its issuer publishes. It must
 * have the audience, a subject, an expiry and the time when it was issued. Fails if a rule or a URL is wrong.
 *
 * - As a password: `docker login --username oidc --password-stdin`.
 * - In exchange: `TokenService` issues a token of the registry for it
 *   ([RFC 8693](https://www.rfc-editor.org/rfc/rfc8693)).
 * - As a bearer token: `Authorization: Bearer`.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Guard, IdTokens, Issuer } from "@effect-oci/guard"
 * import { Effect } from "effect"
 *
 * const guard = Effect.gen(function*() {
 *   const idTokens = yield* IdTokens.make({
 *     audience: "registry.example.com",
 *     issuers: [
 *       Issuer.github({
 *         rules: [{ when: { repository_owner: "team" }, grant: "repository:{repository}:pull,push" }]
 *       })
 *     ]
 *   })
 *   return Guard.make({ idTokens })
 * })
 * ```
 */
export const make = (options: Options): Effect.Effect<IdTokens, IssuerInvalid, HttpClient.HttpClient | Scope.Scope> =>
  Effect.gen(function*() {
    const client = yield* HttpClient.HttpClient
    const issuers = new Map<string, IdTokens["verify"]>()
    const names = new Set<string>()
    for (const issuer of options.issuers) {
      if (issuers.has(issuer.url) || names.has(issuer.name)) {
        return yield* new IssuerInvalid({ issuer: issuer.name, reason: "another issuer has the same URL or name" })
      }
      issuers.set(issuer.url, yield* makeIssuer(issuer, options, client))
      names.add(issuer.name)
    }
    return {
      username: options.username ?? "oidc",
      accepts: (token) => issuers.has(issuerOf(token) ?? ""),
      verify: (token) =>
        issuers.get(issuerOf(token) ?? "")?.(token) ??
          Effect.fail(new jwt.TokenInvalid({ reason: "the token is not from an issuer that this registry accepts" }))
    }
  })
