import { missing } from "@effect-oci/auth/CredentialsModel"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Redaction from "@effect-oci/transport/Redaction"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"

/**
 * Returns a function that completes the error of an answer for the caller. It redacts secrets of the request that the
 * registry repeats. If the registry requires credentials and none were sent, the reason explains how to provide them.
 */
export const explain = (response: HttpClientResponse, origin: string) => {
  const { request } = response
  const isOpen = response.status === 401 && response.headers["www-authenticate"] !== undefined &&
    request.headers["authorization"] === undefined && URL.canParse(request.url) &&
    new URL(request.url).origin === origin
  return (error: RegistryError.RegistryError): RegistryError.RegistryError => {
    const safe = Redaction.error(error, Redaction.make(Redaction.secretsOfHeaders(request.headers)))
    if (!isOpen || error._tag !== "OciUnauthorized") return safe
    return RegistryError.withFields(safe, { reason: `${safe.reason ?? "authentication required"}: ${missing(origin)}` })
  }
}
