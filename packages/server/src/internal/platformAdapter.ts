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
import type { IncomingMessage } from "node:http"
import * as nodeBody from "./nodeBody.js"
import type { Answer } from "./totalAnswer.js"

type Incoming = HttpServerRequest.HttpServerRequest

/**
 * The request of `node:http` under one of the platform's, where it is that. The platform's own stream of its body is not
 * used: where its reader ends early it destroys the socket that the answer is to go out on.
 */
const native = ({ source }: Incoming): IncomingMessage | undefined =>
  Predicate.hasProperty(source, "socket") && Predicate.hasProperty(source, "on") ? source as IncomingMessage : undefined

const brokenOff = (cause: unknown) => new RegistryError.BodyFailed({ cause, reason: "the request's body broke off" })

/** The body of a web request. One that was made by hand need not say its length in its headers. */
const webBody = (request: Incoming): Body.Body | undefined => {
  const size = Range.parseCount(request.headers["content-length"])
  const none = Predicate.hasProperty(request.source, "body") && request.source.body === null
  return size === 0 || none ? undefined : Body.stream(Stream.mapError(request.stream, brokenOff), { size })
}

/** Answers a request of the platform. What the body reads from is closed with the scope of the request. */
export const handle = (
  answer: Answer,
  request: Incoming
): Effect.Effect<HttpServerResponse.HttpServerResponse, never, Scope.Scope> => {
  const incoming = native(request)
  const body = incoming === undefined ? webBody(request) : nodeBody.bodyOf(incoming)
  const asked: Wire.Request = {
    method: request.method,
    target: request.originalUrl,
    headers: request.headers,
    body,
    remoteAddress: Option.getOrUndefined(request.remoteAddress)
  }
  // Nothing comes between an answer and what closes it.
  return Effect.uninterruptible(Effect.flatMap(answer(asked), (response) => {
    const close = once(response.close)
    return Effect.zipRight(
      Effect.addFinalizer(close),
      // The platform would wait for ever until such a client has the answer.
      incoming?.socket.destroyed === true ? Effect.interrupt : Effect.succeed(encode(response, close, incoming))
    )
  }))
}

type Close = NonNullable<Wire.Response["close"]>

/** A body that is sent knows best how it ended; one that is not is closed with the scope of the request. */
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
  const left = incoming === undefined ? "nothing" : nodeBody.left(incoming)
  if (incoming !== undefined && left === "much") {
    const waiting = Stream.concat(content(body, close, incoming), Stream.execute(discarded(incoming)))
    return HttpServerResponse.stream(waiting, { ...options, headers: { ...options.headers, connection: "close" } })
  }
  if (incoming !== undefined && left === "little") nodeBody.discard(incoming, () => {})
  if (body === undefined) return HttpServerResponse.empty(options)
  if (body.bytes !== undefined) return HttpServerResponse.uint8Array(body.bytes, options)
  return HttpServerResponse.stream(content(body, close, incoming), { ...options, contentLength: body.size })
}

/** The platform ends a response on Node whose body fails as if it were whole: it is cut here. */
const content = (body: Body.Body | undefined, close: Close, incoming: IncomingMessage | undefined) => {
  const stream = Stream.ensuringWith(body?.stream ?? Stream.empty, close)
  return incoming === undefined
    ? stream
    : Stream.tapErrorCause(stream, () => Effect.sync(() => incoming.socket.destroy()))
}

const discarded = (incoming: IncomingMessage): Effect.Effect<void> =>
  Effect.async((resume) => nodeBody.discard(incoming, () => resume(Effect.void)))
