/**
 * Timeouts for requests.
 *
 * @since 0.1.0
 */
import * as Body from "@effect-oci/core/Body"
import * as Descriptor from "@effect-oci/core/Descriptor"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as IdleTimer from "./IdleTimer.js"
import * as RequestBody from "./RequestBody.js"
import * as RequestContext from "./RequestContext.js"
import * as Transport from "./Transport.js"

/**
 * Creates a transport that fails a request (`RequestError`, its cause a `TimeoutException`) if for the time `idle` no
 * answer arrives and no piece of the request's body is sent. Default: 60 seconds. The time that the body takes to
 * produce a piece does not count.
 *
 * A registry may take long to commit content: to hash a large layer, or to copy it to its storage. So after the body of
 * a PUT, of a PATCH or of an uploaded blob is sent, the answer may take `commit` instead. Default: 10 minutes, or
 * `idle` if that is longer.
 *
 * These limits apply until the head of an answer arrives. The reader of the body sets its own.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  idle: Duration.DurationInput = "60 seconds",
  commit: Duration.DurationInput = "10 minutes"
): Effect.Effect<Transport.Transport> =>
  Effect.map(
    IdleTimer.make(Duration.decode(idle)),
    (idleTimers) => Transport.makeIn(limited(idleTimers, Duration.max(Duration.decode(commit), idle)))
  )

const limited =
  (idleTimers: IdleTimer.IdleTimers, commit: Duration.Duration) =>
  (request: HttpClientRequest.HttpClientRequest, within: RequestContext.RequestContext, send: Transport.SendIn) =>
    Effect.withFiberRuntime<HttpClientResponse, HttpClientError.HttpClientError>((caller, { runtimeFlags }) =>
      Effect.async((resume) => {
        let limit = idleTimers.idle
        const timer = idleTimers.start(() => {
          resume(Effect.zipRight(Fiber.interrupt(fiber), Effect.fail(timeout(request, limit))))
        })
        const onSent = () => {
          if (!isCommit(request)) return timer.reset()
          limit = commit
          timer.extend(Duration.toMillis(commit))
        }
        if (request.body._tag !== "Stream") onSent()
        const watched = withProgress(request, timer, onSent)
        const fiber = RequestContext.unsafeFork((within) => send(watched, within), within, caller, runtimeFlags)
        fiber.addObserver((exit) => {
          timer.stop()
          resume(exit)
        })
        return Effect.suspend(() => {
          timer.stop()
          return Fiber.interrupt(fiber)
        })
      })
    )

/** Returns whether the registry may have to commit content before it answers. */
const isCommit = ({ body, method }: HttpClientRequest.HttpClientRequest): boolean =>
  method === "PUT" || method === "PATCH" || (method === "POST" && body.contentType === Descriptor.octetStream)

const timeout = (request: HttpClientRequest.HttpClientRequest, idle: Duration.Duration) =>
  new HttpClientError.RequestError({
    request,
    reason: "Transport",
    description: `no answer for ${Duration.format(idle)}`,
    cause: new Cause.TimeoutException(`no answer for ${Duration.format(idle)}`)
  })

/**
 * Returns the request with a body that reports three events: a chunk is requested, a chunk is available, all is sent.
 */
const withProgress = (request: HttpClientRequest.HttpClientRequest, timer: IdleTimer.IdleTimer, onSent: () => void) => {
  const { body } = request
  if (body._tag !== "Stream") return request
  const content = Body.transform(RequestBody.contentOf(body), (sink) => {
    timer.pause()
    return {
      data: (chunk) => {
        const isOpen = sink.data(chunk)
        if (isOpen) timer.pause()
        else timer.reset()
        return isOpen
      },
      resume: timer.pause,
      end: onSent,
      fail: onSent,
      die: onSent
    }
  })
  return HttpClientRequest.setBody(request, RequestBody.make(content, body.contentType))
}
