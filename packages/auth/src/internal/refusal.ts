import * as AuthScope from "@effect-oci/core/AuthScope"
import { printable } from "@effect-oci/core/Printable"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as ErrorBody from "@effect-oci/protocol/ErrorBody"
import * as Redaction from "@effect-oci/transport/Redaction"
import * as Redacted from "effect/Redacted"
import type * as Challenge from "../Challenge.js"
import * as Credential from "../Credential.js"
import * as Realm from "../Realm.js"
import { advice } from "./advice.js"
import { namesOnlyOtherResources } from "./requestScopes.js"
import type { RequestScopes } from "./requestScopes.js"
import type { AcquiredToken } from "./tokenAcquisition.js"

/**
 * Returns whether the challenge says that the token is invalid or insufficient.
 * https://www.rfc-editor.org/rfc/rfc6750#section-3.1
 */
const isTokenError = (challenge: Challenge.Challenge): boolean => {
  const error = challenge.parameters.get("error")
  return error === "invalid_token" || error === "insufficient_scope"
}

/** Returns the error for a registry that refused the last credential or token to try. */
export const credentialRefused = (
  originText: string,
  challenge: Challenge.Challenge,
  bytes: Uint8Array | undefined,
  refused: AcquiredToken | Credential.Credential = Credential.anonymous
): RegistryError.RegistryError => {
  const diagnostics = ErrorBody.parse(bytes)
  const isToken = "key" in refused
  const credential = isToken ? refused.key.credential : refused
  const description = isToken
    ? `the token that ${Realm.format(refused.key.realm)} issued for "${AuthScope.format(refused.token.scope)}" and ${
      Credential.describe(credential)
    }`
    : Credential.describe(credential)
  const message = diagnostics[0]?.message ?? ""
  const fields = {
    status: 401,
    diagnostics,
    reason: `${originText} refuses ${description}${message === "" ? "" : ` (${message})`}: ${
      advice(credential, originText)
    }`
  }
  const secrets = isToken ? [Redacted.value(refused.token.value)] : Credential.secrets([refused])
  return Redaction.error(
    isToken && !isTokenError(challenge)
      ? new RegistryError.Denied(fields)
      : new RegistryError.Unauthorized(fields),
    Redaction.make(secrets)
  )
}

/** Adds advice to the error of a request whose challenge names only other resources. */
export const withScopeAdvice =
  (challenge: Challenge.Challenge, requestScopes: RequestScopes) =>
  <E extends RegistryError.RegistryError>(error: E): E => {
    const scope = challenge.parameters.get("scope")
    if (scope === undefined || !namesOnlyOtherResources(scope, requestScopes)) return error
    return RegistryError.withFields(error, {
      reason: `${error.reason}; the registry's challenge names "${printable(scope, 200)}", which this ` +
        "request does not need: if a proxy rewrites the names of repositories, set the option `scopes: \"challenge\"` for it"
    })
  }

/** Returns the error of a request that cannot be sent a second time. */
export const bodyNotReplayable = (originText: string): RegistryError.RegistryError =>
  new RegistryError.Unauthorized({
    status: 401,
    reason:
      `${originText} required credentials after the body was sent, and the body cannot be sent again: retry with a ` +
      "new body, or with one that can be replayed"
  })
