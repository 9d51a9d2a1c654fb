import * as Headers from "@effect/platform/Headers"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"

/** An error of a client, of whose request nothing is left that was added to show who asks: neither header nor form. */
export const withoutSecrets = (error: HttpClientError.HttpClientError): HttpClientError.HttpClientError => {
  const { request } = error
  if (error._tag !== "RequestError") return error
  return new HttpClientError.RequestError({
    ...error,
    cause: error.cause,
    request: HttpClientRequest.modify(HttpClientRequest.get(request.url), {
      method: request.method,
      headers: Headers.remove(request.headers, "authorization")
    })
  })
}
