import * as AuthScope from "@effect-oci/core/AuthScope"
import { LruMap } from "@effect-oci/core/LruMap"
import { printable } from "@effect-oci/core/Printable"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Origin from "@effect-oci/transport/Origin"
import * as Redaction from "@effect-oci/transport/Redaction"
import * as Transport from "@effect-oci/transport/Transport"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Challenge from "../Challenge.js"
import * as Credential from "../Credential.js"
import type { TokenCache } from "../TokenCache.js"
import type { Token, TokenExchange } from "../TokenExchange.js"
import { answerAnonymously } from "./anonymousRedirectAuth.js"
import { basicAuth } from "./basicAuth.js"
import * as boundedBody from "./boundedBody.js"
import type { Lookup } from "./lookup.js"
import * as refusal from "./refusal.js"
import * as RequestScopes from "./requestScopes.js"
import * as tokenAcquisition from "./tokenAcquisition.js"
import { visible } from "./tokenResponse.js"
import { withoutSecrets } from "./withoutSecrets.js"

export interface Settings {
  /** The registry's own origin, if it is known. */
  readonly home: Origin.Origin | undefined
  readonly lookup: Lookup
  readonly cache: TokenCache
  readonly exchange: TokenExchange
  /** The last challenge of each origin. */
  readonly challenges: LruMap<string, Challenge.Challenge>
  readonly trustedRealms: ReadonlyArray<string>
  readonly scopes: RequestScopes.RequestScopes["scopes"]
  /** A token for the registry at `home` that the program provided. */
  readonly initialToken: Token | undefined
}

/** A request, and its progress. */
interface Attempt extends tokenAcquisition.AuthContext {
  readonly request: HttpClientRequest.HttpClientRequest
  readonly send: Transport.Send
  /** How often the request was sent before. */
  readonly resends: number
}

/**
 * How often a request may be sent again. A request is sent at most four times: with a cached token, with another cached
 * token, with a new token, and with a token for less. The limit is necessary because a registry may change its
 * challenge each time.
 */
const maxResends = 3

/** The credential that is sent with a request. */
type SentCredential =
  | { readonly _tag: "Token"; readonly acquired: tokenAcquisition.AcquiredToken; readonly phase: Phase }
  | Credential.Basic
  | Credential.RegistryToken

/**
 * When a token was acquired: before the request's own challenge (`preemptive`), in answer to the challenge
 * (`challenged`), or for less than the challenge names (`reduced`). A request passes each phase once, so that a
 * registry that refuses every token causes an error soon.
 */
type Phase = "preemptive" | "challenged" | "reduced"

type Outcome = Effect.Effect<HttpClientResponse, tokenAcquisition.Failure>

export const make = (settings: Settings) => {
  const { challenges, exchange, home, lookup } = settings
  const tokens = tokenAcquisition.make(settings)
  // The origins that answered a request without credentials.
  const openOrigins = new LruMap<string, number>(1000)
  // The scope that the last challenge named for each required scope. Used with `scopes: "challenge"` only.
  const challengedScopes = new LruMap<string, AuthScope.AuthScope>(1000)
  const scopeKey = ({ requestScopes, originText }: Attempt) =>
    `${originText} ${AuthScope.format(AuthScope.canonical(requestScopes.required))}`
  let { initialToken } = settings

  const sendWith = (attempt: Attempt, sent: SentCredential | undefined): Outcome => {
    if (sent !== undefined && !isSendable(sent)) {
      return new RegistryError.CredentialError({
        reason:
          `the token for ${attempt.originText} contains a character that a token cannot contain, such as a space or a ` +
          "line break: correct it"
      })
    }
    return Effect.flatMap(
      attempt.send(sent === undefined ? attempt.request : withCredential(attempt.request, sent)),
      (response) => {
        if (response.status === 401) return handleUnauthorized(attempt, response, sent)
        if (sent === undefined) openOrigins.set(attempt.originText, 1)
        return Effect.succeed(response)
      }
    )
  }

  /** Starts a request with the credential that the origin is known to require. */
  const start = (attempt: Attempt): Outcome => {
    const registryToken = attempt.entry.find((credential) => credential._tag === "RegistryToken")
    if (registryToken !== undefined) return sendWith(attempt, registryToken)
    const isKnownOrigin = challenges.get(attempt.originText) !== undefined ||
      openOrigins.get(attempt.originText) !== undefined
    return isKnownOrigin || attempt.entry.length === 0 || Transport.isReplayable(attempt.request.body)
      ? sendPreemptively(attempt)
      : Effect.flatMap(probeChallenge(attempt), () => sendPreemptively(attempt))
  }

  const sendPreemptively = (attempt: Attempt): Outcome => {
    const challenge = challenges.get(attempt.originText)
    if (challenge === undefined) return sendWith(attempt, undefined)
    if (challenge.scheme === "basic") return sendWith(attempt, basicOf(attempt.entry))
    if (initialToken !== undefined && Equal.equals(attempt.origin, home)) {
      tokens.store(attempt, challenge, initialToken)
      initialToken = undefined
    }
    const previousScope = challengedScopes.get(scopeKey(attempt))
    const cached = tokens.findCached(
      attempt,
      challenge,
      RequestScopes.sufficientScope(previousScope ?? AuthScope.empty, attempt.requestScopes)
    )
    if (cached !== undefined) return sendWith(attempt, { _tag: "Token", acquired: cached, phase: "preemptive" })
    const isScopeUnknown = attempt.requestScopes.scopes === "challenge" && previousScope === undefined
    if (isScopeUnknown && Transport.isReplayable(attempt.request.body)) return sendWith(attempt, undefined)
    // A body that cannot be sent again uses the scope that the origin's last challenge named.
    const challengedScope = isScopeUnknown
      ? RequestScopes.challengedScope(challenge.parameters.get("scope"), attempt.requestScopes)
      : previousScope ?? AuthScope.empty
    return Effect.matchEffect(tokens.acquire(attempt, challenge, challengedScope), {
      onSuccess: (acquired) => sendWith(attempt, { _tag: "Token", acquired, phase: "preemptive" }),
      onFailure: (error) => {
        challenges.delete(attempt.originText)
        // Without a token, the registry may name another scope for this request, which the token server may grant.
        return error._tag === "Denied" && Transport.isReplayable(attempt.request.body)
          ? sendWith(attempt, undefined)
          : Effect.fail(error)
      }
    })
  }

  /**
   * Gets the challenge of a registry with a request that can be sent again, on behalf of a request that cannot, if
   * there are credentials.
   */
  const probeChallenge = (attempt: Attempt): Effect.Effect<void, HttpClientError.HttpClientError> => {
    const { pathname } = new URL(attempt.request.url)
    const end = pathname.indexOf("/v2/")
    if (end < 0) return Effect.void
    const url = `${new URL(attempt.request.url).origin}${pathname.slice(0, end)}/v2/`
    return Effect.flatMap(attempt.send(HttpClientRequest.get(url)), (response) => {
      const challenge = isFromOrigin(attempt.origin, response) ? Challenge.preferred(challengesOf(response)) : undefined
      if (challenge !== undefined) challenges.set(attempt.originText, challenge)
      return boundedBody.readBriefly(response)
    })
  }

  const handleUnauthorized = (
    attempt: Attempt,
    response: HttpClientResponse,
    sent: SentCredential | undefined
  ): Outcome => {
    if (!isFromOrigin(attempt.origin, response)) return answerAnonymously(exchange, attempt.send, response)
    const all = challengesOf(response)
    const challenge = Challenge.preferred(all)
    if (sent?._tag === "Token") tokens.drop(sent.acquired)
    return Effect.zipRight(
      logUnsupportedSchemes(attempt.originText, all.filter((other) => other !== challenge)),
      challenge === undefined ? Effect.succeed(response) : answerChallenge(attempt, response, challenge, sent)
    )
  }

  const answerChallenge = (
    attempt: Attempt,
    response: HttpClientResponse,
    challenge: Challenge.Challenge,
    sent: SentCredential | undefined
  ): Outcome => {
    challenges.set(attempt.originText, challenge)
    const isBasic = challenge.scheme === "basic"
    if (isBasic && sent === undefined && basicOf(attempt.entry) === undefined) return Effect.succeed(response)
    return Effect.flatMap(boundedBody.readBriefly(response), (bytes): Outcome => {
      if (!Transport.isReplayable(attempt.request.body)) return refusal.bodyNotReplayable(attempt.originText)
      const next = attempt.resends >= maxResends
        ? undefined
        : isBasic
        ? nextBasic(attempt, sent)
        : nextToken(attempt, challenge, sent)
      const advise = refusal.withScopeAdvice(challenge, attempt.requestScopes)
      if (next !== undefined) {
        return Effect.flatMap(
          Effect.mapError(next, (error) => tokenAcquisition.isRefused(error) ? advise(error) : error),
          (sent) => sendWith({ ...attempt, resends: attempt.resends + 1 }, sent)
        )
      }
      return advise(
        refusal.credentialRefused(attempt.originText, challenge, bytes, sent?._tag === "Token" ? sent.acquired : sent)
      )
    })
  }

  const nextBasic = (attempt: Attempt, sent: SentCredential | undefined): Effect.Effect<SentCredential> | undefined => {
    const basic = sent?._tag === "Basic" ? undefined : basicOf(attempt.entry)
    return basic === undefined ? undefined : Effect.succeed(basic)
  }

  const nextToken = (
    attempt: Attempt,
    challenge: Challenge.Challenge,
    sent: SentCredential | undefined
  ): Effect.Effect<SentCredential, tokenAcquisition.Failure> | undefined => {
    if (sent?._tag === "RegistryToken" && !attempt.entry.some(isForTokenServers)) return undefined
    const challengedScope = RequestScopes.challengedScope(challenge.parameters.get("scope"), attempt.requestScopes)
    if (attempt.requestScopes.scopes === "challenge" && !AuthScope.isEmpty(challengedScope)) {
      challengedScopes.set(scopeKey(attempt), challengedScope)
    }
    const inPhase = (phase: Phase) => (acquired: tokenAcquisition.AcquiredToken): SentCredential => ({
      _tag: "Token",
      acquired,
      phase
    })
    if (
      sent?._tag === "Token" &&
      isExhausted(sent, challenge, RequestScopes.requestedScope(challengedScope, attempt.requestScopes))
    ) {
      const isInsufficient = challenge.parameters.get("error") === "insufficient_scope" && sent.phase !== "reduced"
      const reduced = isInsufficient
        ? tokens.acquireReduced(attempt, challenge, challengedScope, sent.acquired.token.scope)
        : undefined
      return reduced === undefined ? undefined : Effect.map(reduced, inPhase("reduced"))
    }
    // Another request may have cached a token meanwhile that was not tried yet.
    const cached = sent?._tag === "Token" && sent.phase !== "preemptive"
      ? undefined
      : tokens.findCached(attempt, challenge, RequestScopes.sufficientScope(challengedScope, attempt.requestScopes))
    return cached === undefined
      ? Effect.map(tokens.acquire(attempt, challenge, challengedScope), inPhase("challenged"))
      : Effect.succeed(inPhase("challenged")(cached))
  }

  /** Returns whether no better token than the refused one can be requested. */
  const isExhausted = (
    { acquired, phase }: Extract<SentCredential, { readonly _tag: "Token" }>,
    { parameters }: Challenge.Challenge,
    scope: AuthScope.AuthScope
  ): boolean =>
    acquired.isFresh && (phase !== "preemptive" ||
      (AuthScope.contains(acquired.token.scope, scope) && acquired.key.realm === parameters.get("realm") &&
        acquired.key.service === parameters.get("service")))

  return (
    request: HttpClientRequest.HttpClientRequest,
    send: Transport.Send
  ): Effect.Effect<HttpClientResponse, HttpClientError.HttpClientError> => {
    if (request.headers["authorization"] !== undefined) return send(request)
    const origin = Option.getOrUndefined(Origin.parse(request.url))
    if (origin === undefined) return send(request)
    const result: Outcome = home === undefined || Equal.equals(home, origin)
      ? Effect.contextWithEffect((context: Context.Context<never>) => {
        const scopesOfRequest = RequestScopes.of(request, context, settings.scopes)
        const { repository } = scopesOfRequest
        return Effect.flatMap(lookup.get(origin, repository), (entry) =>
          Effect.mapError(
            start({
              request,
              send,
              resends: 0,
              origin,
              originText: Origin.format(origin),
              entry,
              requestScopes: scopesOfRequest
            }),
            (error) => {
              if (tokenAcquisition.isRefused(error)) lookup.forget(origin, repository)
              return RegistryError.isRegistryError(error)
                ? Redaction.error(error, Redaction.make(Credential.secrets(entry)))
                : withoutSecrets(error, entry)
            }
          ))
      })
      : Effect.flatMap(
        send(request),
        (response) => response.status === 401 ? answerAnonymously(exchange, send, response) : Effect.succeed(response)
      )
    return Effect.mapError(result, (error) =>
      RegistryError.isRegistryError(error)
        ? new HttpClientError.RequestError({ request, reason: "Transport", cause: error, description: error.message })
        : withoutSecrets(error))
  }
}

const basicOf = (entry: Credential.Entry): Credential.Basic | undefined =>
  entry.find((credential) => credential._tag === "Basic")

/** Returns whether a credential may be tried after a registry token. An explicit `Anonymous` may. */
const isForTokenServers = ({ _tag }: Credential.Credential): boolean => _tag !== "RegistryToken"

/**
 * Returns whether a header can contain the credential. Otherwise the HTTP client would fail with an error that contains
 * the whole header. Basic credentials are base64, which is always valid.
 */
const isSendable = (sent: SentCredential): boolean =>
  sent._tag === "Basic" || visible.test(Redacted.value(sent._tag === "Token" ? sent.acquired.token.value : sent.token))

const isFromOrigin = (origin: Origin.Origin, { request }: HttpClientResponse): boolean =>
  Option.exists(Origin.parse(request.url), (other) => Equal.equals(other, origin))

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

const withCredential = (
  request: HttpClientRequest.HttpClientRequest,
  sent: SentCredential
): HttpClientRequest.HttpClientRequest => {
  switch (sent._tag) {
    case "Token":
      return HttpClientRequest.bearerToken(request, sent.acquired.token.value)
    case "RegistryToken":
      return HttpClientRequest.bearerToken(request, sent.token)
    case "Basic":
      return basicAuth(request, sent)
  }
}
