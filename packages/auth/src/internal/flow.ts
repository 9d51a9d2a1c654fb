import * as AuthScope from "@effect-oci/core/AuthScope"
import { printable } from "@effect-oci/core/Printable"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Challenge from "../Challenge.js"
import type * as Credential from "../Credential.js"
import * as Origin from "../Origin.js"
import * as Redaction from "../Redaction.js"
import type { TokenCache } from "../TokenCache.js"
import type { Token, TokenExchange } from "../TokenExchange.js"
import * as Transport from "../Transport.js"
import * as answer from "./answer.js"
import { basicAuth } from "./basicAuth.js"
import * as Bounded from "./bounded.js"
import { answerAsNobody } from "./foreign.js"
import * as grants from "./grants.js"
import type { Lookup } from "./lookup.js"
import * as needs from "./needs.js"
import * as refusal from "./refusal.js"
import { visible } from "./tokenAnswer.js"
import { withoutSecrets } from "./withoutSecrets.js"

export interface Settings {
  /** The registry's own origin, if it is known. */
  readonly home: Origin.Origin | undefined
  readonly lookup: Lookup
  readonly cache: TokenCache
  readonly exchange: TokenExchange
  /** The last challenge of each origin. */
  readonly challenges: Bounded.Bounded<Challenge.Challenge>
  readonly trustedRealms: ReadonlyArray<string>
  readonly scopes: needs.Needs["scopes"]
  /** A token for the registry at `home` that the program provided. */
  readonly seed: Token | undefined
}

/** A request, and its progress. */
interface Turn extends grants.Party {
  readonly request: HttpClientRequest.HttpClientRequest
  readonly send: Transport.Send
  /** How often the request was sent before. */
  readonly sent: number
}

/**
 * How often a request may be sent again. A request is sent at most four times: with a cached token, with another cached
 * token, with a new token, and with a token for less. The limit is necessary because a registry may change its
 * challenge each time.
 */
const mostSent = 3

/** The credential that is sent with a request. */
type Pass =
  | { readonly _tag: "Token"; readonly grant: grants.Grant; readonly stage: Stage }
  | Credential.Basic
  | Credential.RegistryToken

/**
 * When a token was acquired: before the request's own challenge (`preemptive`), in answer to the challenge
 * (`challenged`), or for less than the challenge names (`reduced`). A request passes each phase once, so that a
 * registry that refuses every token causes an error soon.
 */
type Stage = "ahead" | "answered" | "narrowed"

type Answer = Effect.Effect<HttpClientResponse, grants.Failure>

export const make = (settings: Settings) => {
  const { challenges, exchange, home, lookup } = settings
  const tokens = grants.make(settings)
  // The origins that answered a request without credentials.
  const open = Bounded.make<number>(1000)
  // The scope that the last challenge named for each required scope. Used with `scopes: "challenge"` only.
  const named = Bounded.make<AuthScope.AuthScope>(1000)
  const nameOf = ({ needs, place }: Turn) => `${place} ${AuthScope.format(AuthScope.canonical(needs.required))}`
  let { seed } = settings

  const attempt = (turn: Turn, pass: Pass | undefined): Answer => {
    if (pass !== undefined && !isSendable(pass)) {
      return new RegistryError.CredentialError({
        reason:
          `the token for ${turn.place} contains a character that a token cannot contain, such as a space or a line break: correct it`
      })
    }
    return Effect.flatMap(
      turn.send(pass === undefined ? turn.request : showing(turn.request, pass)),
      (response) => {
        if (response.status === 401) return challenged(turn, response, pass)
        if (pass === undefined) open.set(turn.place, 1)
        return Effect.succeed(response)
      }
    )
  }

  /** Starts a request with the credential that the origin is known to require. */
  const begin = (turn: Turn): Answer => {
    const registryToken = turn.entry.find((credential) => credential._tag === "RegistryToken")
    if (registryToken !== undefined) return attempt(turn, registryToken)
    const isMet = challenges.get(turn.place) !== undefined || open.get(turn.place) !== undefined
    return isMet || turn.entry.length === 0 || Transport.isReplayable(turn.request.body)
      ? ahead(turn)
      : Effect.flatMap(probe(turn), () => ahead(turn))
  }

  const ahead = (turn: Turn): Answer => {
    const challenge = challenges.get(turn.place)
    if (challenge === undefined) return attempt(turn, undefined)
    if (challenge.scheme === "basic") return attempt(turn, basicOf(turn.entry))
    if (seed !== undefined && Equal.equals(turn.origin, home)) {
      tokens.keep(turn, challenge, seed)
      seed = undefined
    }
    const heardBefore = named.get(nameOf(turn))
    const held = tokens.held(turn, challenge, needs.enough(heardBefore ?? AuthScope.empty, turn.needs))
    if (held !== undefined) return attempt(turn, { _tag: "Token", grant: held, stage: "ahead" })
    const isOpen = turn.needs.scopes === "challenge" && heardBefore === undefined
    if (isOpen && Transport.isReplayable(turn.request.body)) return attempt(turn, undefined)
    // A body that cannot be sent again uses the scope that the origin's last challenge named.
    const heard = isOpen ? needs.heard(challenge.parameters.get("scope"), turn.needs) : heardBefore ?? AuthScope.empty
    return Effect.matchEffect(tokens.acquire(turn, challenge, heard), {
      onSuccess: (grant) => attempt(turn, { _tag: "Token", grant, stage: "ahead" }),
      onFailure: (error) => {
        challenges.delete(turn.place)
        // Without a token, the registry may name another scope for this request, which the token server may grant.
        return error._tag === "Denied" && Transport.isReplayable(turn.request.body)
          ? attempt(turn, undefined)
          : Effect.fail(error)
      }
    })
  }

  /**
   * Gets the challenge of a registry with a request that can be sent again, on behalf of a request that cannot, if
   * there are credentials.
   */
  const probe = (turn: Turn): Effect.Effect<void, HttpClientError.HttpClientError> => {
    const { pathname } = new URL(turn.request.url)
    const end = pathname.indexOf("/v2/")
    if (end < 0) return Effect.void
    const url = `${new URL(turn.request.url).origin}${pathname.slice(0, end)}/v2/`
    return Effect.flatMap(turn.send(HttpClientRequest.get(url)), (response) => {
      const challenge = isAt(turn.origin, response) ? Challenge.preferred(challengesOf(response)) : undefined
      if (challenge !== undefined) challenges.set(turn.place, challenge)
      return answer.glance(response)
    })
  }

  const challenged = (turn: Turn, response: HttpClientResponse, pass: Pass | undefined): Answer => {
    if (!isAt(turn.origin, response)) return answerAsNobody(exchange, turn.send, response)
    const all = challengesOf(response)
    const challenge = Challenge.preferred(all)
    if (pass?._tag === "Token") tokens.drop(pass.grant)
    return Effect.zipRight(
      passingOver(turn.place, all.filter((other) => other !== challenge)),
      challenge === undefined ? Effect.succeed(response) : answered(turn, response, challenge, pass)
    )
  }

  const answered = (
    turn: Turn,
    response: HttpClientResponse,
    challenge: Challenge.Challenge,
    pass: Pass | undefined
  ): Answer => {
    challenges.set(turn.place, challenge)
    const isBasic = challenge.scheme === "basic"
    if (isBasic && pass === undefined && basicOf(turn.entry) === undefined) return Effect.succeed(response)
    return Effect.flatMap(answer.glance(response), (bytes): Answer => {
      if (!Transport.isReplayable(turn.request.body)) return refusal.once(turn.place)
      const next = turn.sent >= mostSent
        ? undefined
        : isBasic
        ? basicPass(turn, pass)
        : tokenPass(turn, challenge, pass)
      const advise = refusal.otherScopes(challenge, turn.needs)
      if (next !== undefined) {
        return Effect.flatMap(
          Effect.mapError(next, (error) => grants.isRefused(error) ? advise(error) : error),
          (pass) => attempt({ ...turn, sent: turn.sent + 1 }, pass)
        )
      }
      return advise(refusal.last(turn.place, challenge, bytes, pass?._tag === "Token" ? pass.grant : pass))
    })
  }

  const basicPass = (turn: Turn, pass: Pass | undefined): Effect.Effect<Pass> | undefined => {
    const basic = pass?._tag === "Basic" ? undefined : basicOf(turn.entry)
    return basic === undefined ? undefined : Effect.succeed(basic)
  }

  const tokenPass = (
    turn: Turn,
    challenge: Challenge.Challenge,
    pass: Pass | undefined
  ): Effect.Effect<Pass, grants.Failure> | undefined => {
    if (pass?._tag === "RegistryToken" && !turn.entry.some(isForTokenServers)) return undefined
    const heard = needs.heard(challenge.parameters.get("scope"), turn.needs)
    if (turn.needs.scopes === "challenge" && !AuthScope.isEmpty(heard)) named.set(nameOf(turn), heard)
    const at = (stage: Stage) => (grant: grants.Grant): Pass => ({ _tag: "Token", grant, stage })
    if (pass?._tag === "Token" && isSpent(pass, challenge, needs.asked(heard, turn.needs))) {
      const isShort = challenge.parameters.get("error") === "insufficient_scope" && pass.stage !== "narrowed"
      const narrowed = isShort ? tokens.narrow(turn, challenge, heard, pass.grant.token.scope) : undefined
      return narrowed === undefined ? undefined : Effect.map(narrowed, at("narrowed"))
    }
    // Another request may have cached a token meanwhile that was not tried yet.
    const held = pass?._tag === "Token" && pass.stage !== "ahead"
      ? undefined
      : tokens.held(turn, challenge, needs.enough(heard, turn.needs))
    return held === undefined
      ? Effect.map(tokens.acquire(turn, challenge, heard), at("answered"))
      : Effect.succeed(at("answered")(held))
  }

  /** Returns whether no better token than the refused one can be requested. */
  const isSpent = (
    { grant, stage }: Extract<Pass, { readonly _tag: "Token" }>,
    { parameters }: Challenge.Challenge,
    scope: AuthScope.AuthScope
  ): boolean =>
    grant.isFresh && (stage !== "ahead" ||
      (AuthScope.contains(grant.token.scope, scope) && grant.key.realm === parameters.get("realm") &&
        grant.key.service === parameters.get("service")))

  return (
    request: HttpClientRequest.HttpClientRequest,
    send: Transport.Send
  ): Effect.Effect<HttpClientResponse, HttpClientError.HttpClientError> => {
    if (request.headers["authorization"] !== undefined) return send(request)
    const origin = Option.getOrUndefined(Origin.parse(request.url))
    if (origin === undefined) return send(request)
    const whole: Answer = home === undefined || Equal.equals(home, origin)
      ? Effect.contextWithEffect((context: Context.Context<never>) => {
        const needed = needs.of(request, context, settings.scopes)
        const { repository } = needed
        return Effect.flatMap(lookup.get(origin, repository), (entry) =>
          Effect.mapError(
            begin({ request, send, sent: 0, origin, place: Origin.format(origin), entry, needs: needed }),
            (error) => {
              if (grants.isRefused(error)) lookup.forget(origin, repository)
              return RegistryError.isRegistryError(error)
                ? Redaction.error(error, Redaction.make(Redaction.secretsOfEntry(entry)))
                : withoutSecrets(error, entry)
            }
          ))
      })
      : Effect.flatMap(
        send(request),
        (response) => response.status === 401 ? answerAsNobody(exchange, send, response) : Effect.succeed(response)
      )
    return Effect.mapError(whole, (error) =>
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
const isSendable = (pass: Pass): boolean =>
  pass._tag === "Basic" || visible.test(Redacted.value(pass._tag === "Token" ? pass.grant.token.value : pass.token))

const isAt = (origin: Origin.Origin, { request }: HttpClientResponse): boolean =>
  Option.exists(Origin.parse(request.url), (place) => Equal.equals(place, origin))

const challengesOf = ({ headers }: HttpClientResponse): ReadonlyArray<Challenge.Challenge> =>
  Challenge.parse(headers["www-authenticate"] ?? "")

const passingOver = (place: string, others: ReadonlyArray<Challenge.Challenge>): Effect.Effect<void> =>
  others.length === 0 ? Effect.void : Effect.logDebug(
    printable(
      `${place} also offers authentication schemes that this client does not support: ${
        others.map(({ scheme }) => scheme).join(", ")
      }`
    )
  )

const showing = (request: HttpClientRequest.HttpClientRequest, pass: Pass): HttpClientRequest.HttpClientRequest => {
  switch (pass._tag) {
    case "Token":
      return HttpClientRequest.bearerToken(request, pass.grant.token.value)
    case "RegistryToken":
      return HttpClientRequest.bearerToken(request, pass.token)
    case "Basic":
      return basicAuth(request, pass)
  }
}
