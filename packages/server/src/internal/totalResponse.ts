import * as Answer from "@effect-oci/core/Answer"
import * as Body from "@effect-oci/core/Body"
import { ResponseInvalid } from "@effect-oci/core/RegistryError"
import * as ErrorBody from "@effect-oci/protocol/ErrorBody"
import type * as Wire from "@effect-oci/protocol/Wire"
import * as Effect from "effect/Effect"
import * as report from "./report.js"

/**
 * A function from a plain request to a plain response, used by both adapters. The answer is settled if nothing had to wait.
 */
export type Respond = (request: Wire.Request) => Effect.Effect<Wire.Response>

/** Returns a function that never fails: an error becomes a response. */
export const total = (respond: Respond): Respond => (request) => {
  // An exception of the registry becomes a defect, so that the exception does not stop the server.
  const response = Answer.attempt(() => Answer.map(respond(request), (response) => finish(response, request)))
  return Answer.settled(response)?._tag === "Success"
    ? response
    : Effect.catchAllCause(
      response,
      (cause) => Effect.map(report.died(request, cause), (response) => finish(response, request))
    )
}

/**
 * Ensures that the body has the declared length. An answer to HEAD has no body, and the same headers as the answer to
 * GET. The headers of both contain the error, if there is one.
 */
const finish = (answered: Wire.Response, request: Wire.Request): Wire.Response => {
  const isHead = request.method === "HEAD"
  const isRead = isHead || request.method === "GET"
  const response = isRead && answered.status >= 400 ? ErrorBody.withHeader(answered) : answered
  const { body, headers } = response
  if (body === undefined) return response
  const declaredLength = headers["content-length"]
  if (isHead || declaredLength === undefined) {
    return {
      ...response,
      headers: declaredLength !== undefined || body.size === undefined
        ? headers
        : { ...headers, "content-length": String(body.size) },
      body: isHead ? undefined : body
    }
  }
  const length = Number(declaredLength)
  const { bytes } = body
  if (bytes?.byteLength === length) return response
  if (bytes === undefined || response.close !== undefined) return { ...response, body: declared(body, length) }
  throw new Error(`a registry answers ${bytes.byteLength} bytes where it says ${length}`)
}

/**
 * Returns a body that fails if its length differs from the declared length. On a connection that stays open, the client
 * would read extra bytes as the next response, and would take missing bytes from the next response.
 */
const declared = (body: Body.Body, size: number): Body.Body =>
  Body.exactly(body, size, (reason) => new ResponseInvalid({ reason }))
