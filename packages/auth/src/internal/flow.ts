import * as AuthScope from "@effect-oci/core/AuthScope"
import { LruMap } from "@effect-oci/core/LruMap"
import { printable } from "@effect-oci/core/Printable"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Origin from "@effect-oci/transport/Origin"
import * as Transport from "@effect-oci/transport/Transport"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Challenge from "../Challenge.js"
import type { Token } from "../TokenExchange.js"
import { answerAnonymously } from "./anonymousRedirectAuth.js"
import * as boundedBody from "./boundedBody.js"
import * as refusal from "./refusal.js"
import * as RequestScopes from "./requestScopes.js"
import { basicOf, isExhausted, isForTokenServers, isSendable, tokenIn, withCredential } from "./sentCredential.js"
import type { SentCredential } from "./sentCredential.js"
import { isRefused, TokenAcquisition } from "./tokenAcquisition.js"
import type { AuthContext, Failure, Settings as TokenSettings } from "./tokenAcquisition.js"

export interface Settings extends TokenSettings {
  /** The registry's own origin, if it is known. */
  readonly home: Origin.Origin | undefined
  /** The last challenge of each origin. */
  readonly challenges: LruMap<string, Challenge.Challenge>
  /** A token for the registry at `home` that the program provided. */
  readonly initialToken: Token | undefined
}

/** A request, and its progress. */
export interface Attempt extends AuthContext {
  readonly request: HttpClientRequest.HttpClientRequest
  readonly send: Transport.SendIn
  /** How often the request was sent before. */
  readonly resends: number
}

/**
 * How often a request may be sent again. A request is sent at most four times: with a cached token, with another cached
 * token, with a new token, and with a token for less. The limit is necessary because a registry may change its
 * challenge each time.
 */
const maxResends = 3

export type Outcome = Effect.Effect<HttpClientResponse, Failure>

/**
 * Authenticates requests.
 *
 * | state                 | event                                                | next                                |
 * | --------------------- | ---------------------------------------------------- | ----------------------------------- |
 * | start                 | a registry token is configured                       | send with the registry token        |
 * |                       | unknown origin, one-shot body, there are credentials | probe, then preemptive              |
 * |                       | otherwise                                            | preemptive                          |
 * | preemptive            | no challenge is known, or its scope is unknown       | send without a credential           |
 * |                       | the last challenge was `Basic`                       | send with the password              |
 * |                       | a sufficient token is cached                         | send with the cached token          |
 * |                       | otherwise                                            | acquire, then send                  |
 * | sent                  | 401 of another origin, after a redirect              | answer anonymously, once            |
 * |                       | 401 with a supported challenge                       | challenged                          |
 * |                       | another response                                     | respond                             |
 * | challenged            | one-shot body, or sent four times                    | fail                                |
 * |                       | `Basic`, and the password was not sent               | send with the password              |
 * |                       | `Bearer`, and an untried token is cached             | send with the cached token          |
 * |                       | `Bearer`, and a better token may be issued           | acquire, then send                  |
 * |                       | `insufficient_scope` for a new token                 | acquire a token for less, then send |
 * |                       | otherwise                                            | fail                                |
 */
export class AuthFlow {
  readonly #settings: Settings
  readonly #tokens: TokenAcquisition
  /** The origins that answered a request without credentials. */
  readonly #openOrigins = new LruMap<string, number>(1000)
  /** The scope that the last challenge named for each required scope. Used with `scopes: "challenge"` only. */
  readonly #challengedScopes = new LruMap<string, AuthScope.AuthScope>(1000)
  #initialToken: Token | undefined

  constructor(settings: Settings) {
    this.#settings = settings
    this.#tokens = new TokenAcquisition(settings)
    this.#initialToken = settings.initialToken
  }

  /** Starts a request with the credential that the origin is known to require. */
  start(attempt: Attempt): Outcome {
    const { entry, originText, request } = attempt
    const registryToken = entry.find((credential) => credential._tag === "RegistryToken")
    if (registryToken !== undefined) return this.#send(attempt, registryToken)
    const isKnownOrigin = this.#settings.challenges.get(originText) !== undefined ||
      this.#openOrigins.get(originText) !== undefined
    return isKnownOrigin || entry.length === 0 || Transport.isReplayable(request.body)
      ? this.#sendPreemptively(attempt)
      : Effect.flatMap(this.#probe(attempt), () => this.#sendPreemptively(attempt))
  }

  /**
   * Gets the challenge of a registry with a request that can be sent again, on behalf of a request that cannot, if
   * there are credentials.
   */
  #probe({ origin, originText, request, send, within }: Attempt): Effect.Effect<void, HttpClientError.HttpClientError> {
    const { pathname } = new URL(request.url)
    const end = pathname.indexOf("/v2/")
    if (end < 0) return Effect.void
    const url = `${new URL(request.url).origin}${pathname.slice(0, end)}/v2/`
    return Effect.flatMap(send(HttpClientRequest.get(url), within), (response) => {
      const challenge = isFromOrigin(origin, response) ? Challenge.preferred(challengesOf(response)) : undefined
      if (challenge !== undefined) this.#settings.challenges.set(originText, challenge)
      return boundedBody.readBriefly(response)
    })
  }

  #sendPreemptively(attempt: Attempt): Outcome {
    const { entry, origin, originText, requestScopes } = attempt
    const challenge = this.#settings.challenges.get(originText)
    if (challenge === undefined) return this.#send(attempt, undefined)
    if (challenge.scheme === "basic") return this.#send(attempt, basicOf(entry))
    if (this.#initialToken !== undefined && Equal.equals(origin, this.#settings.home)) {
      this.#tokens.store(attempt, challenge, this.#initialToken)
      this.#initialToken = undefined
    }
    const previousScope = requestScopes.scopes === "challenge"
      ? this.#challengedScopes.get(scopeKey(attempt))
      : undefined
    const sufficientScope = RequestScopes.sufficientScope(previousScope ?? AuthScope.empty, requestScopes)
    const cached = this.#tokens.findCached(attempt, challenge, sufficientScope)
    if (cached !== undefined) return this.#send(attempt, tokenIn("preemptive")(cached))
    const isScopeUnknown = requestScopes.scopes === "challenge" && previousScope === undefined
    if (isScopeUnknown && Transport.isReplayable(attempt.request.body)) return this.#send(attempt, undefined)
    // A body that cannot be sent again uses the scope that the origin's last challenge named.
    const challengedScope = isScopeUnknown
      ? RequestScopes.challengedScope(challenge.parameters.get("scope"), requestScopes)
      : previousScope ?? AuthScope.empty
    return this.#acquirePreemptively(attempt, challenge, challengedScope)
  }

  #acquirePreemptively(
    attempt: Attempt,
    challenge: Challenge.Challenge,
    challengedScope: AuthScope.AuthScope
  ): Outcome {
    return Effect.matchEffect(this.#tokens.acquire(attempt, challenge, challengedScope), {
      onSuccess: (acquired) => this.#send(attempt, tokenIn("preemptive")(acquired)),
      onFailure: (error) => {
        this.#settings.challenges.delete(attempt.originText)
        // Without a token, the registry may name another scope for this request, which the token server may grant.
        return error._tag === "OciDenied" && Transport.isReplayable(attempt.request.body)
          ? this.#send(attempt, undefined)
          : Effect.fail(error)
      }
    })
  }

  #send(attempt: Attempt, sent: SentCredential | undefined): Outcome {
    const { originText, request, send, within } = attempt
    if (sent !== undefined && !isSendable(sent)) {
      return new RegistryError.CredentialError({
        reason:
          `the token for ${originText} contains a character that a token cannot contain, such as a space or a line ` +
          "break: correct it"
      })
    }
    return Effect.flatMap(send(sent === undefined ? request : withCredential(request, sent), within), (response) => {
      if (response.status === 401) return this.handleUnauthorized(attempt, response, sent)
      if (sent === undefined && this.#openOrigins.get(originText) === undefined) this.#openOrigins.set(originText, 1)
      return Effect.succeed(response)
    })
  }

  /** Answers a 401, the response to a request that was sent with the credential `sent`. */
  handleUnauthorized(attempt: Attempt, response: HttpClientResponse, sent: SentCredential | undefined): Outcome {
    if (!isFromOrigin(attempt.origin, response)) {
      return answerAnonymously(this.#settings.exchange, attempt.within, attempt.send, response)
    }
    const all = challengesOf(response)
    const challenge = Challenge.preferred(all)
    if (sent?._tag === "Token") this.#tokens.drop(sent.acquired)
    return Effect.zipRight(
      logUnsupportedSchemes(attempt.originText, all.filter((other) => other !== challenge)),
      challenge === undefined ? Effect.succeed(response) : this.#answerChallenge(attempt, response, challenge, sent)
    )
  }

  #answerChallenge(
    attempt: Attempt,
    response: HttpClientResponse,
    challenge: Challenge.Challenge,
    sent: SentCredential | undefined
  ): Outcome {
    const { entry, originText, request, requestScopes, resends } = attempt
    this.#settings.challenges.set(originText, challenge)
    if (challenge.scheme === "basic" && sent === undefined && basicOf(entry) === undefined) {
      return Effect.succeed(response)
    }
    return Effect.flatMap(boundedBody.readBriefly(response), (bytes): Outcome => {
      if (!Transport.isReplayable(request.body)) return refusal.bodyNotReplayable(originText)
      const next = resends < maxResends ? this.#nextCredential(attempt, challenge, sent) : undefined
      const advise = refusal.withScopeAdvice(challenge, requestScopes)
      return next === undefined
        ? advise(refusal.credentialRefused(originText, challenge, bytes, sent?._tag === "Token" ? sent.acquired : sent))
        : Effect.flatMap(
          Effect.mapError(next, (error) => isRefused(error) ? advise(error) : error),
          (sent) => this.#send({ ...attempt, resends: resends + 1 }, sent)
        )
    })
  }

  /** Returns the credential to send after a challenge, or `undefined` if there is no other credential to try. */
  #nextCredential(
    attempt: Attempt,
    challenge: Challenge.Challenge,
    sent: SentCredential | undefined
  ): Effect.Effect<SentCredential, Failure> | undefined {
    const { entry, requestScopes } = attempt
    if (challenge.scheme === "basic") {
      const basic = sent?._tag === "Basic" ? undefined : basicOf(entry)
      return basic && Effect.succeed(basic)
    }
    if (sent?._tag === "RegistryToken" && !entry.some(isForTokenServers)) return undefined
    const challengedScope = RequestScopes.challengedScope(challenge.parameters.get("scope"), requestScopes)
    if (requestScopes.scopes === "challenge" && !AuthScope.isEmpty(challengedScope)) {
      this.#challengedScopes.set(scopeKey(attempt), challengedScope)
    }
    const requestedScope = RequestScopes.requestedScope(challengedScope, requestScopes)
    if (sent?._tag === "Token" && isExhausted(sent, challenge, requestedScope)) {
      const isInsufficient = challenge.parameters.get("error") === "insufficient_scope" && sent.phase !== "reduced"
      const reduced = isInsufficient
        ? this.#tokens.acquireReduced(attempt, challenge, challengedScope, sent.acquired.token.scope)
        : undefined
      return reduced && Effect.map(reduced, tokenIn("reduced"))
    }
    // Another request may have cached a token meanwhile that was not tried yet.
    const cached = sent?._tag === "Token" && sent.phase !== "preemptive"
      ? undefined
      : this.#tokens.findCached(attempt, challenge, RequestScopes.sufficientScope(challengedScope, requestScopes))
    return Effect.map(
      cached === undefined ? this.#tokens.acquire(attempt, challenge, challengedScope) : Effect.succeed(cached),
      tokenIn("challenged")
    )
  }
}

const scopeKey = ({ originText, requestScopes }: Attempt): string =>
  `${originText} ${AuthScope.format(AuthScope.canonical(requestScopes.required))}`

const isFromOrigin = (origin: Origin.Origin, { request }: HttpClientResponse): boolean =>
  Equal.equals(Origin.parse(request.url), origin)

const challengesOf = ({ headers }: HttpClientResponse): ReadonlyArray<Challenge.Challenge> =>
  Challenge.parse(headers["www-authenticate"] ?? "")

const logUnsupportedSchemes = (originText: string, others: ReadonlyArray<Challenge.Challenge>): Effect.Effect<void> =>
  others.length === 0 ? Effect.void : Effect.logDebug(
    printable(
      `${originText} also offers authentication schemes that this client does not support: ${
        others.map(({ scheme }) => scheme).join(", ")
      }`
    )
  )
