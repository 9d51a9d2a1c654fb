import * as Body from "@effect-oci/core/Body"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Range from "@effect-oci/protocol/Range"
import type * as Wire from "@effect-oci/protocol/Wire"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Stream from "effect/Stream"

const brokenOff = (cause: unknown) => new RegistryError.BodyFailed({ cause, reason: "the request's body broke off" })

/** The body of a request; it is not touched where its length says that it is empty. */
const bodyOf = (request: HttpServerRequest.HttpServerRequest): Body.Body | undefined => {
  const { headers } = request
  const size = Range.parseCount(headers["content-length"])
  if (size === 0 || (size === undefined && headers["transfer-encoding"] === undefined)) return undefined
  return Body.stream(Stream.mapError(request.stream, brokenOff), { size })
}

export const toRequest = (request: HttpServerRequest.HttpServerRequest): Wire.Request => ({
  method: request.method,
  target: request.originalUrl.startsWith("http") ? originForm(request.originalUrl) : request.originalUrl,
  headers: request.headers,
  body: bodyOf(request)
})

/** The path and query of a target in absolute form, which proxies and web handlers give. */
export const originForm = (target: string): string => target.replace(/^https?:\/\/[^/?#]*/i, "") || "/"

export const fromResponse = (response: Wire.Response): HttpServerResponse.HttpServerResponse => {
  const { body, close, status } = response
  const headers = response.headers as Record<string, string>
  if (body === undefined) return HttpServerResponse.empty({ status, headers })
  const contentType = headers["content-type"]
  if (body.bytes !== undefined && close === undefined) {
    return HttpServerResponse.uint8Array(body.bytes, { status, headers, contentType })
  }
  const stream = close === undefined ? body.stream : Stream.ensuringWith(body.stream, (exit) => close(exit))
  return HttpServerResponse.stream(stream, { status, headers, contentType, contentLength: body.size })
}
