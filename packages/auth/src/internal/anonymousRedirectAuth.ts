import * as AuthScope from "@effect-oci/core/AuthScope"
import { printable } from "@effect-oci/core/Printable"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Origin from "@effect-oci/transport/Origin"
import * as RequestContext from "@effect-oci/transport/RequestContext"
import * as Transport from "@effect-oci/transport/Transport"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Challenge from "../Challenge.js"
import * as Realm from "../Realm.js"
import type { TokenExchange } from "../TokenExchange.js"
import * as boundedBody from "./boundedBody.js"
import { judgeUrl } from "./judgeUrl.js"
import * as RequestScopes from "./requestScopes.js"
import type { Failure } from "./tokenAcquisition.js"

/**
 * Answers a 401 of an origin that the registry redirected to. Gets an anonymous token, once, for this request alone.
 * Never looks up credentials, even if the program has credentials for that origin. CVE-2020-15157.
 */
export const answerAnonymously = (
  exchange: TokenExchange,
  within: RequestContext.RequestContext,
  send: Transport.SendIn,
  response: HttpClientResponse
): Effect.Effect<HttpClientResponse, Failure> => {
  const { request } = response
  const origin = Origin.parse(request.url)
  const challenge = Challenge.preferred(Challenge.parse(response.headers["www-authenticate"] ?? ""))
  if (origin === undefined || challenge?.scheme !== "bearer" || !Transport.isReplayable(request.body)) {
    return Effect.succeed(response)
  }
  const realm = challenge.parameters.get("realm")!
  const verdict = judgeUrl(origin, realm)
  if (verdict._tag === "Refused") {
    const printableRealm = printable(Realm.format(realm), 200)
    return new RegistryError.RealmRefused({
      realm: printableRealm,
      reason:
        `the registry redirected to ${Origin.format(origin)}, which names ${printableRealm} as its token server: ` +
        verdict.reason
    })
  }
  const required = RequestScopes.fromUrl(request)
  const scope = AuthScope.union(
    RequestScopes.challengedScope(challenge.parameters.get("scope"), { required, scopes: "operation" }),
    required
  )
  const service = challenge.parameters.get("service")
  return Effect.flatMap(
    RequestContext.provide(
      exchange({ origin, realm: verdict.url, isTrusted: false, service, scope, entry: [] }),
      within
    ),
    ({ value }) =>
      Effect.zipRight(
        boundedBody.readBriefly(response),
        send(HttpClientRequest.bearerToken(request, Redacted.value(value)), within)
      )
  )
}
