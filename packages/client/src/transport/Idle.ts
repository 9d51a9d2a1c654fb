/**
 * Requests that nobody answers.
 *
 * @since 0.1.0
 */
import * as Transport from "@effect-oci/auth/Transport"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Runtime from "effect/Runtime"
import * as Stream from "effect/Stream"
import * as watches from "../internal/watch.js"

/**
 * Fails a request (`RequestError`, its cause a `TimeoutException`) where for so long nothing was answered, and no piece
 * of its body was taken either; 60 seconds if not said. Time that the body takes to come up with a piece is not
 * counted. It ends with the head of an answer: the body of an answer is minded by whoever reads it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (idle: Duration.DurationInput = "60 seconds"): Effect.Effect<Transport.Transport> =>
  Effect.map(watches.make(Duration.decode(idle)), (watch) => Transport.make(guard(watch)))

const guard = (watch: watches.Watch) => (request: HttpClientRequest.HttpClientRequest, send: Transport.Send) =>
  Effect.flatMap(
    Effect.runtime(),
    (runtime) =>
      Effect.async<HttpClientResponse, HttpClientError.HttpClientError>((resume) => {
        const wait = watch.start(() => {
          resume(Effect.zipRight(Fiber.interrupt(fiber), Effect.fail(silence(request, watch.idle))))
        })
        const fiber = Runtime.runFork(runtime)(send(minded(request, wait)))
        fiber.addObserver((exit) => {
          wait.stop()
          resume(exit)
        })
        return Effect.suspend(() => {
          wait.stop()
          return Fiber.interrupt(fiber)
        })
      })
  )

const silence = (request: HttpClientRequest.HttpClientRequest, idle: Duration.Duration) =>
  new HttpClientError.RequestError({
    request,
    reason: "Transport",
    description: `no answer for ${Duration.format(idle)}`,
    cause: new Cause.TimeoutException(`no answer for ${Duration.format(idle)}`)
  })

/** The same request, which says of each piece of its body when it is asked for and when it is there. */
const minded = (request: HttpClientRequest.HttpClientRequest, wait: watches.Wait) => {
  const { body } = request
  if (body._tag !== "Stream") return request
  const pieces = Stream.fromPull(
    Effect.map(Stream.toPull(body.stream), (pull) =>
      Effect.suspend(() => {
        wait.pause()
        return Effect.onExit(pull, () => Effect.sync(wait.touch))
      }))
  )
  return HttpClientRequest.setBody(request, HttpBody.stream(pieces, body.contentType, body.contentLength))
}
