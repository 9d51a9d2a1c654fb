import * as Body from "@effect-oci/core/Body"
import type { Handler } from "@effect-oci/core/Handler"
import * as RegistryServer from "@effect-oci/server/RegistryServer"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type { HttpMethod } from "@effect/platform/HttpMethod"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { Unreachable } from "../Target.js"
import type { Received, Sent } from "../Target.js"

type Send = (request: Sent) => Effect.Effect<Received, Unreachable>

const headersOf = (sent: Sent): { readonly [name: string]: string } => {
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(sent.headers ?? {})) headers[name.toLowerCase()] = value
  if (sent.body !== undefined) headers["content-length"] ??= String(sent.body.byteLength)
  return headers
}

/** Sends a request to a handler in this process, through the codec of the server only. */
export const inProcess = (handler: Handler): Send => {
  const answer = RegistryServer.make()(handler)
  return (sent) =>
    Effect.gen(function*() {
      const response = yield* answer({
        method: sent.method,
        target: sent.path,
        headers: headersOf(sent),
        body: sent.body === undefined ? undefined : Body.bytes(sent.body)
      })
      const body = response.body === undefined
        ? new Uint8Array(0)
        : yield* Body.toBytes(response.body, { limit: Infinity, onLimit: () => new Error("too long") }).pipe(
          Effect.onExit((exit) => response.close?.(exit) ?? Effect.void),
          Effect.mapError((cause) => new Unreachable({ sent, cause }))
        )
      if (response.body === undefined) yield* response.close?.(Exit.void) ?? Effect.void
      return { sent, status: response.status, headers: response.headers, body }
    })
}

/** Sends a request to a URL unchanged. It does not follow redirects, and adds only a length. */
export const overHttp = (url: string): Effect.Effect<Send, never, HttpClient.HttpClient> =>
  Effect.map(HttpClient.HttpClient, (client) => {
    const plain = client.pipe(HttpClient.withTracerPropagation(false))
    const origin = url.replace(/\/+$/, "")
    return (sent) => {
      const request = HttpClientRequest.make(sent.method as HttpMethod)(`${origin}${sent.path}`, {
        headers: headersOf(sent),
        body: sent.body === undefined ? HttpBody.empty : HttpBody.uint8Array(sent.body, sent.headers?.["content-type"])
      })
      return plain.execute(request).pipe(
        Effect.flatMap((response) =>
          Effect.map(response.arrayBuffer, (body) => ({
            sent,
            status: response.status,
            headers: response.headers,
            body: new Uint8Array(body)
          }))
        ),
        Effect.mapError((cause) => new Unreachable({ sent, cause }))
      )
    }
  })
