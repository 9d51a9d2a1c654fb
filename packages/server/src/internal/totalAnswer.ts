import * as Handler from "@effect-oci/core/Handler"
import * as ErrorBody from "@effect-oci/protocol/ErrorBody"
import type * as Wire from "@effect-oci/protocol/Wire"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { exactly } from "./exactBody.js"
import * as report from "./report.js"

/**
 * A function from a plain request to a plain response, used by both adapters. Returns an `Exit` if nothing had to wait.
 */
export type Answer = (request: Wire.Request) => Effect.Effect<Wire.Response>

/** Returns a function that never fails: an error becomes a response. */
export const total = (answer: Answer): Answer => (request) => {
  const response = attempt(answer, request)
  const exit = Handler.exitOf(response)
  return exit !== undefined && Exit.isSuccess(exit)
    ? exit
    : Effect.catchAllCause(
      response,
      (cause) => Effect.map(report.died(request, cause), (response) => finish(response, request))
    )
}

/** Turns an exception of the registry into a defect, so that the exception does not stop the server. */
const attempt = (answer: Answer, request: Wire.Request): Effect.Effect<Wire.Response> => {
  try {
    const response = answer(request)
    const exit = Handler.exitOf(response)
    return exit !== undefined && Exit.isSuccess(exit)
      ? Exit.succeed(finish(exit.value, request))
      : Effect.map(response, (response) => finish(response, request))
  } catch (defect) {
    return Exit.die(defect)
  }
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
  const said = headers["content-length"]
  if (isHead || said === undefined) {
    return {
      ...response,
      headers: said !== undefined || body.size === undefined
        ? headers
        : { ...headers, "content-length": String(body.size) },
      body: isHead ? undefined : body
    }
  }
  const length = Number(said)
  const { bytes } = body
  if (bytes?.byteLength === length) return response
  if (bytes === undefined || response.close !== undefined) return { ...response, body: exactly(body, length) }
  throw new Error(`a registry answers ${bytes.byteLength} bytes where it says ${length}`)
}
