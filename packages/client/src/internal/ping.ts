import * as Challenge from "@effect-oci/auth/Challenge"
import { missing } from "@effect-oci/auth/CredentialsModel"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as ErrorBody from "@effect-oci/protocol/ErrorBody"
import { fromHttpClient } from "@effect-oci/transport/HttpFailure"
import type { IdleTimers } from "@effect-oci/transport/IdleTimer"
import * as HttpClient from "@effect/platform/HttpClient"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import { constTrue } from "effect/Function"
import { Incoming } from "./incoming.js"

/** The registry to check. */
export interface Target {
  readonly registry: string
  readonly origin: string
  readonly url: string
  readonly idleTimers: IdleTimers
}

/**
 * Requests the root of the API, and returns the answer if its status is 200 or 401. Fails with the error of the answer,
 * or with `ResponseInvalid` if the answer is not from a registry.
 */
const requestRoot = (
  { origin, registry, url, idleTimers }: Target,
  client: HttpClient.HttpClient
): Effect.Effect<HttpClientResponse, RegistryError.RegistryError> =>
  Effect.gen(function*() {
    const fields = { registry }
    const response = yield* HttpClient.withTracerDisabledWhen(client, constTrue).get(url).pipe(
      Effect.mapError((error) => fromHttpClient(error, fields, { url, shown: url }))
    )
    const { headers, status } = response
    const incoming = new Incoming(response, { method: "GET", url, origin, fields, idleTimers })
    const bytes = yield* Effect.orElseSucceed(incoming.bytes(ErrorBody.maxBytes), () => undefined)
    if (status === 200 || status === 401) return response
    const error = incoming.explain(ErrorBody.decode({ status, headers, bytes }, fields))
    return yield* RegistryError.isTransient(error) || error._tag === "OciDenied"
      ? error
      : new RegistryError.ResponseInvalid({
        ...fields,
        status,
        reason: `${url} answered with status ${status}, so it is not a registry: check the host and the path`
      })
  })

/**
 * Returns the authentication schemes that the registry supports: none if it accepts an anonymous request. Fails if it
 * does not accept the client that `authenticated` returns.
 */
export const ping = (
  target: Target,
  anonymousClient: HttpClient.HttpClient,
  authenticated: (challenge: string) => Effect.Effect<HttpClient.HttpClient>
): Effect.Effect<ReadonlyArray<Challenge.Challenge>, RegistryError.RegistryError> =>
  Effect.gen(function*() {
    const { headers, status } = yield* requestRoot(target, anonymousClient)
    if (status === 200) return []
    const challenge = headers["www-authenticate"] ?? ""
    const answer = yield* requestRoot(target, yield* authenticated(challenge))
    if (answer.status === 401) {
      return yield* new RegistryError.Unauthorized({
        registry: target.registry,
        status: 401,
        reason: `${target.origin} requires credentials: ${missing(target.origin)}`
      })
    }
    return Challenge.parse(challenge)
  })
