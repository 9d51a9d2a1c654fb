import * as Client from "@effect-oci/client/Client"
import * as Body from "@effect-oci/core/Body"
import type { Handler } from "@effect-oci/core/Handler"
import type { Middleware } from "@effect-oci/core/Middleware"
import type * as Wire from "@effect-oci/protocol/Wire"
import * as RegistryServer from "@effect-oci/server/RegistryServer"
import type * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Runtime from "effect/Runtime"
import * as Stream from "effect/Stream"

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

const responseOf = ({ body, close, headers, status }: Wire.Response): Response => {
  const end = (exit: Exit.Exit<unknown, unknown>) => close?.(exit) ?? Effect.void
  const content = body === undefined || withoutBody.has(status)
    ? undefined
    : body.bytes ?? Stream.toReadableStream(Stream.ensuringWith(body.stream, end))
  const present = Object.entries(headers).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const]
  )
  return new Response(content as BodyInit | undefined, { status, headers: Object.fromEntries(present) })
}

/** Creates an HTTP client that sends its requests to the server of a registry in this process. */
const clientOf = (handler: Handler): HttpClient.HttpClient => {
  const answer = RegistryServer.make()(handler)
  return HttpClient.make((request, url) => {
    const body = bodyOf(request.body)
    const length = body === undefined
      ? request.method === "POST" || request.method === "PUT" ? "0" : undefined
      : body.size
    return Effect.map(
      answer({
        method: request.method,
        target: `${url.pathname}${url.search}`,
        headers: { ...request.headers, "content-length": length === undefined ? undefined : String(length) },
        body
      }),
      (response) => HttpClientResponse.fromWeb(request, responseOf(response))
    )
  })
}

/**
 * Puts a client and a server between a caller and a registry, in this process. HTTP messages pass between them as data,
 * without a socket.
 *
 * @since 0.1.0
 * @category running
 */
export const hop: Effect.Effect<Middleware> = Effect.map(
  Effect.runtime<never>(),
  (runtime) => (next) =>
    Runtime.runSync(runtime)(
      Client.makeBare({ host: "registry.test" }).pipe(
        Effect.provideService(HttpClient.HttpClient, clientOf(next)),
        Effect.map(({ handle }) => handle),
        Effect.orDie
      )
    )
)
