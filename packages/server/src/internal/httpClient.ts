import * as Body from "@effect-oci/core/Body"
import type * as Wire from "@effect-oci/protocol/Wire"
import type * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Runtime from "effect/Runtime"
import * as Stream from "effect/Stream"
import type { Respond } from "./totalResponse.js"

/** Returns the body of a request as a server receives it. */
const bodyOf = (body: HttpBody.HttpBody): Body.Body | undefined => {
  switch (body._tag) {
    case "Uint8Array":
      return Body.bytes(body.body)
    case "Stream":
      return Body.stream(body.stream, { size: body.contentLength })
    default:
      return undefined
  }
}

const withoutBody: ReadonlySet<number> = new Set([204, 304])

/** Returns the response. Its content is opened when it is read. */
const responseOf = (
  { body, close, headers, status }: Wire.Response,
  runtime: Runtime.Runtime<never>
): Response => {
  const end = (exit: Exit.Exit<unknown, unknown>) => close?.(exit) ?? Effect.void
  const content = body === undefined || withoutBody.has(status)
    ? undefined
    : body.bytes ?? Stream.toReadableStreamRuntime(Stream.ensuringWith(body.stream, end), runtime, {
      strategy: { highWaterMark: 0 }
    })
  const present = Object.entries(headers).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const]
  )
  return new Response(content as BodyInit | undefined, { status, headers: Object.fromEntries(present) })
}

/** Creates an HTTP client whose requests are answered in this process. */
export const make = (answer: Respond): HttpClient.HttpClient =>
  HttpClient.make((request, url) => {
    const body = bodyOf(request.body)
    const length = body === undefined
      ? request.method === "POST" || request.method === "PUT" ? "0" : undefined
      : body.size
    return Effect.zipWith(
      answer({
        method: request.method,
        target: `${url.pathname}${url.search}`,
        headers: { ...request.headers, "content-length": length === undefined ? undefined : String(length) },
        body
      }),
      Effect.runtime<never>(),
      (response, runtime) => HttpClientResponse.fromWeb(request, responseOf(response, runtime))
    )
  })
