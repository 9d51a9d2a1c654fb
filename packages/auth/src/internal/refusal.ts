import * as AuthScope from "@effect-oci/core/AuthScope"
import { printable } from "@effect-oci/core/Printable"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as ErrorBody from "@effect-oci/protocol/ErrorBody"
import * as Redacted from "effect/Redacted"
import type * as Challenge from "../Challenge.js"
import * as Credential from "../Credential.js"
import * as Realm from "../Realm.js"
import * as Redaction from "../Redaction.js"
import { advice } from "./advice.js"
import type { Grant } from "./grants.js"
import { isForOthers } from "./needs.js"
import type { Needs } from "./needs.js"

/**
 * Returns whether the challenge says that the token is invalid or insufficient.
 * https://www.rfc-editor.org/rfc/rfc6750#section-3.1
 */
const isTokenError = (challenge: Challenge.Challenge): boolean => {
  const error = challenge.parameters.get("error")
  return error === "invalid_token" || error === "insufficient_scope"
}

/** Returns the error for a registry that refused the last credential or token to try. */
export const last = (
  place: string,
  challenge: Challenge.Challenge,
  bytes: Uint8Array | undefined,
  refused: Grant | Credential.Credential = Credential.anonymous
): RegistryError.RegistryError => {
  const diagnostics = ErrorBody.parse(bytes)
  const isGrant = "key" in refused
  const shown = isGrant ? refused.key.credential : refused
  const what = isGrant
    ? `the token that ${Realm.format(refused.key.realm)} gave for "${AuthScope.format(refused.token.scope)}" and ${
      Credential.describe(shown)
    }`
    : Credential.describe(shown)
  const said = diagnostics[0]?.message ?? ""
  const fields = {
    status: 401,
    diagnostics,
    reason: `${place} refuses ${what}${said === "" ? "" : ` (${said})`}: ${advice(shown, place)}`
  }
  const secrets = isGrant ? [Redacted.value(refused.token.value)] : Redaction.secretsOfEntry([refused])
  return Redaction.error(
    isGrant && !isTokenError(challenge)
      ? new RegistryError.Denied(fields)
      : new RegistryError.Unauthorized(fields),
    Redaction.make(secrets)
  )
}

/** Adds advice to the error of a request whose challenge names only other resources. */
export const otherScopes =
  (challenge: Challenge.Challenge, needs: Needs) => <E extends RegistryError.RegistryError>(error: E): E => {
    const scope = challenge.parameters.get("scope")
    if (scope === undefined || !isForOthers(scope, needs)) return error
    return RegistryError.withFields(error, {
      reason: `${error.reason}; the registry's challenge names "${printable(scope, 200)}", which is not what this ` +
        "request is about: if a proxy rewrites the names of repositories, set the option `scopes: \"challenge\"` for it"
    })
  }

/** Returns the error of a request that cannot be sent a second time. */
export const once = (place: string): RegistryError.RegistryError =>
  new RegistryError.Unauthorized({
    status: 401,
    reason:
      `${place} asked for credentials after the body was sent, and this body cannot be sent again: retry with a ` +
      "new body, or with one that can be replayed"
  })
