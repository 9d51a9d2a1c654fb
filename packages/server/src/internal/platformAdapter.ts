import * as Body from "@effect-oci/core/Body"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Range from "@effect-oci/protocol/Range"
import type * as Wire from "@effect-oci/protocol/Wire"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as incomingBody from "./incomingBody.js"
import type { IncomingMessage } from "./incomingBody.js"
import type { Respond } from "./totalResponse.js"

type Incoming = HttpServerRequest.HttpServerRequest

/**
 * Returns the `node:http` request of a platform request, if it has one. The platform's own stream of the body is not
 * used: if its reader ends early, that stream destroys the socket on which the answer must be sent.
 */
const native = ({ source }: Incoming): IncomingMessage | undefined =>
  Predicate.hasProperty(source, "socket") && Predicate.hasProperty(source, "on") ? source as IncomingMessage : undefined

const brokenOff = (cause: unknown) => new RegistryError.BodyFailed({ cause, reason: "the request's body broke off" })

/** Returns the body of a web request. A request that a program created need not declare its length in its headers. */
const webBody = (request: Incoming): Body.Body | undefined => {
  const size = Range.parseCount(request.headers["content-length"])
  const none = Predicate.hasProperty(request.source, "body") && request.source.body === null
  return size === 0 || none ? undefined : Body.stream(Stream.mapError(request.stream, brokenOff), { size })
}

/** Answers a request of the platform. The content of the response is closed with the scope of the request. */
export const handle = (
  answer: Respond,
  request: Incoming
): Effect.Effect<HttpServerResponse.HttpServerResponse, never, Scope.Scope> => {
  const incoming = native(request)
  const body = incoming === undefined ? webBody(request) : incomingBody.bodyOf(incoming)
  const wire: Wire.Request = {
    method: request.method,
    target: request.originalUrl,
    headers: request.headers,
    body,
    remoteAddress: Option.getOrUndefined(request.remoteAddress)
  }
  // No interruption can happen between an answer and the finalizer that closes it.
  return Effect.uninterruptible(Effect.flatMap(answer(wire), (response) => {
    const close = once(response.close)
    return Effect.zipRight(
      Effect.addFinalizer(close),
      // The platform would wait forever for a client that has disconnected.
      incoming?.socket.destroyed === true ? Effect.interrupt : Effect.succeed(encode(response, close, incoming))
    )
  }))
}

type Close = NonNullable<Wire.Response["close"]>

/** Runs `close` once: with the result of sending the body, or with the scope of the request if the body is not sent. */
const once = (close: Wire.Response["close"]): Close => {
  let closed = false
  return (exit) =>
    Effect.suspend(() => {
      if (closed || close === undefined) return Effect.void
      closed = true
      return close(exit)
    })
}

const encode = (
  { body, headers, status }: Wire.Response,
  close: Close,
  incoming: IncomingMessage | undefined
): HttpServerResponse.HttpServerResponse => {
  const options = { status, headers: headers as Record<string, string>, contentType: headers["content-type"] }
  const left = incoming === undefined ? "nothing" : incomingBody.left(incoming)
  if (incoming !== undefined && left === "much") {
    const waiting = Stream.concat(content(body, close, incoming), Stream.execute(discarded(incoming)))
    return HttpServerResponse.stream(waiting, { ...options, headers: { ...options.headers, connection: "close" } })
  }
  if (incoming !== undefined && left === "little") incomingBody.discard(incoming, () => {})
  if (body === undefined) return HttpServerResponse.empty(options)
  if (body.bytes !== undefined) return HttpServerResponse.uint8Array(body.bytes, options)
  return HttpServerResponse.stream(content(body, close, incoming), { ...options, contentLength: body.size })
}

/**
 * Destroys the socket if the body fails. Otherwise the platform would end the response on Node as if it were complete.
 */
const content = (body: Body.Body | undefined, close: Close, incoming: IncomingMessage | undefined) => {
  const stream = Stream.ensuringWith(body?.stream ?? Stream.empty, close)
  return incoming === undefined
    ? stream
    : Stream.tapErrorCause(stream, () => Effect.sync(() => incoming.socket.destroy()))
}

const discarded = (incoming: IncomingMessage): Effect.Effect<void> =>
  Effect.async((resume) => incomingBody.discard(incoming, () => resume(Effect.void)))
