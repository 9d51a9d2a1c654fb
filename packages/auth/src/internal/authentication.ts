import { LruMap } from "@effect-oci/core/LruMap"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Settled from "@effect-oci/core/Settled"
import * as Origin from "@effect-oci/transport/Origin"
import * as Redaction from "@effect-oci/transport/Redaction"
import * as RequestContext from "@effect-oci/transport/RequestContext"
import type * as Transport from "@effect-oci/transport/Transport"
import type { HttpClient } from "@effect/platform/HttpClient"
import type { HttpClientRequest } from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Challenge from "../Challenge.js"
import * as Credential from "../Credential.js"
import type * as Credentials from "../CredentialsModel.js"
import * as TokenCache from "../TokenCache.js"
import * as TokenExchange from "../TokenExchange.js"
import { answerAnonymously } from "./anonymousRedirectAuth.js"
import type { Known, Options } from "./authOptions.js"
import { AuthFlow } from "./flow.js"
import type { Attempt, Outcome } from "./flow.js"
import * as lookups from "./lookup.js"
import * as RequestScopes from "./requestScopes.js"
import { isRefused } from "./tokenAcquisition.js"
import { withoutSecrets } from "./withoutSecrets.js"

/** A request to authenticate. */
export interface Input {
  readonly request: HttpClientRequest
  /** The context in which all requests are sent, also those to token servers. */
  readonly within: RequestContext.RequestContext
  readonly send: Transport.SendIn
  readonly origin: Origin.Origin
}

/** Authenticates the requests of one client. */
export interface Authentication {
  /** Sends a request with the credential that the origin is known to require, and answers challenges. */
  readonly send: (input: Input) => Outcome
  /** Answers the 401 of a request that was sent without a credential. */
  readonly answer: (input: Input, response: HttpClientResponse) => Outcome
  /** Answers a 401 of another origin than the registry's. */
  readonly answerAnonymously: (input: Input, response: HttpClientResponse) => Outcome
}

/** What one transport shares between the clients that it wraps. */
export interface Shared {
  readonly options: Options
  /** The registry's own origin, if it is known. */
  readonly home: Origin.Origin | undefined
  readonly credentials: Credentials.Service
  /** The clock by which credentials and tokens expire. */
  readonly clock: Clock.Clock
}

/** Returns a function that creates the authentication of a client. All share their credentials and tokens. */
export const make = ({ clock, credentials, home, options }: Shared) => {
  const { known, scopes = "operation", trustedRealms = [] } = options
  const lookup = lookups.make(credentials, clock)
  const cache = Effect.runSync(Effect.withClock(TokenCache.make, clock))
  const challenges = new LruMap<string, Challenge.Challenge>(1000)
  const challenge = known && Challenge.preferred(Challenge.parse(known.challenge))
  if (home !== undefined && challenge !== undefined) challenges.set(Origin.format(home), challenge)

  return (tokenServers: HttpClient): Authentication => {
    const exchange = TokenExchange.make(tokenServers, options)
    const flow = new AuthFlow({ home, cache, challenges, exchange, trustedRealms, initialToken: initialTokenOf(known) })

    const authenticate = (input: Input, start: (attempt: Attempt) => Outcome): Outcome => {
      const { origin, request, within } = input
      const requestScopes = RequestScopes.of(request, within, scopes)
      const { repository } = requestScopes
      const originText = Origin.format(origin)
      const entry = Settled.ifPending(
        lookup.get(origin, repository),
        (pending) => RequestContext.provide(pending, within)
      )
      return Settled.flatMap(entry, (entry) =>
        Effect.mapError(
          start({ ...input, resends: 0, originText, entry, requestScopes }),
          (error) => {
            if (isRefused(error)) lookup.forget(origin, repository)
            return RegistryError.isRegistryError(error)
              ? Redaction.error(error, Redaction.make(Credential.secrets(entry)))
              : withoutSecrets(error, Credential.secrets(entry))
          }
        ))
    }

    return {
      send: (input) => authenticate(input, (attempt) => flow.start(attempt)),
      answer: (input, response) =>
        authenticate(input, (attempt) => flow.handleUnauthorized(attempt, response, undefined)),
      answerAnonymously: ({ send, within }, response) => answerAnonymously(exchange, within, send, response)
    }
  }
}

const initialTokenOf = (known: Known | undefined): TokenExchange.Token | undefined => {
  if (known?.token === undefined) return undefined
  const { expiresAt = Number.POSITIVE_INFINITY, scope, value } = known.token
  return {
    value: typeof value === "string" ? Redacted.make(value) : value,
    scope,
    expiresAt,
    refreshToken: undefined
  }
}
