import * as Redaction from "@effect-oci/transport/Redaction"
import * as Headers from "@effect/platform/Headers"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"

/**
 * Returns an error of the HTTP client without the secrets of its request. Removes the `Authorization` header and the
 * form from the request. Redacts the secrets of the request, and `secrets`, in the description and in the cause.
 */
export const withoutSecrets = (
  error: HttpClientError.HttpClientError,
  secrets: ReadonlyArray<string> = []
): HttpClientError.HttpClientError => {
  const { request } = error
  const redact = Redaction.make([...Redaction.secretsOfHeaders(request.headers), ...secrets])
  const redacted = {
    request: withoutAuthorization(request),
    cause: Redaction.cause(error.cause, redact),
    ...(error.description === undefined ? {} : { description: redact(error.description) })
  }
  return error._tag === "ResponseError"
    ? new HttpClientError.ResponseError({ ...error, ...redacted })
    : new HttpClientError.RequestError({ ...error, ...redacted })
}

const withoutAuthorization = (request: HttpClientRequest.HttpClientRequest): HttpClientRequest.HttpClientRequest =>
  HttpClientRequest.modify(HttpClientRequest.get(request.url), {
    method: request.method,
    headers: Headers.remove(request.headers, "authorization")
  })
