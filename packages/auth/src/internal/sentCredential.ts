import * as AuthScope from "@effect-oci/core/AuthScope"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Redacted from "effect/Redacted"
import type * as Challenge from "../Challenge.js"
import type * as Credential from "../Credential.js"
import { basicAuth } from "./basicAuth.js"
import type { AcquiredToken } from "./tokenAcquisition.js"
import { visible } from "./tokenResponse.js"

/** The credential that is sent with a request. */
export type SentCredential =
  | { readonly _tag: "Token"; readonly acquired: AcquiredToken; readonly phase: Phase }
  | Credential.Basic
  | Credential.RegistryToken

/**
 * When a token was acquired: before the request's own challenge (`preemptive`), in answer to the challenge
 * (`challenged`), or for less than the challenge names (`reduced`). A request passes each phase once, so that a
 * registry that refuses every token causes an error soon.
 */
export type Phase = "preemptive" | "challenged" | "reduced"

export const tokenIn = (phase: Phase) => (acquired: AcquiredToken): SentCredential => ({
  _tag: "Token",
  acquired,
  phase
})

export const basicOf = (entry: Credential.Entry): Credential.Basic | undefined =>
  entry.find((credential) => credential._tag === "Basic")

/** Returns whether a credential may be tried after a registry token. An explicit `Anonymous` may. */
export const isForTokenServers = ({ _tag }: Credential.Credential): boolean => _tag !== "RegistryToken"

/**
 * Returns whether a header can contain the credential. Otherwise the HTTP client would fail with an error that contains
 * the whole header. Basic credentials are base64, which is always valid.
 */
export const isSendable = (sent: SentCredential): boolean =>
  sent._tag === "Basic" || visible.test(Redacted.value(sent._tag === "Token" ? sent.acquired.token.value : sent.token))

/** Returns whether no better token than the refused one can be requested. */
export const isExhausted = (
  { acquired, phase }: Extract<SentCredential, { readonly _tag: "Token" }>,
  { parameters }: Challenge.Challenge,
  scope: AuthScope.AuthScope
): boolean =>
  acquired.isFresh && (phase !== "preemptive" ||
    (AuthScope.contains(acquired.token.scope, scope) && acquired.key.realm === parameters.get("realm") &&
      acquired.key.service === parameters.get("service")))

export const withCredential = (
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
