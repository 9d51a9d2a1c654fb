import { RegistryError } from "@effect-oci/core"
import type { Body } from "@effect-oci/core"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"

/** Runs an effect for a native source, in a fiber that can be interrupted and does not outlive the content. */
export type Fork = <A>(
  effect: Effect.Effect<A, RegistryError.RegistryError>
) => Fiber.RuntimeFiber<A, RegistryError.RegistryError>

/**
 * Returns the native source of a body. For a body without one, creates a source whose fiber reads the stream at the
 * pace of the consumer.
 */
export const toSource = (body: Body.Body, fork: Fork): Body.Source =>
  body.source ?? ((sink) => {
    let isOver = false
    let isResumed = false
    let wake = () => {}
    const send = (piece: Uint8Array) =>
      Effect.suspend(() => {
        isResumed = false
        if (isOver || sink.data(piece) || isResumed) return Effect.void
        return Effect.async<void>((resume) => {
          wake = () => resume(Effect.void)
        })
      })
    // The source must return before bytes flow, but a fiber starts at once.
    const flow = Effect.zipRight(Effect.yieldNow(), Stream.runForEach(body.stream, send))
    const fiber = fork(flow)
    fiber.addObserver((exit) => {
      if (isOver) return
      if (exit._tag === "Success") sink.end()
      else sink.fail(failureOf(exit.cause, new RegistryError.TransportError({ reason: "the content was closed" })))
    })
    return {
      resume: () => {
        isResumed = true
        wake()
      },
      cancel: () => {
        isOver = true
        fiber.unsafeInterruptAsFork(FiberId.none)
      }
    }
  })

/**
 * Returns the failure of a cause. Returns `error` for an interruption, and `error` with the defect as its cause for a
 * defect.
 */
export const failureOf = (
  cause: Cause.Cause<RegistryError.RegistryError>,
  error: RegistryError.RegistryError
): RegistryError.RegistryError =>
  Option.getOrElse(
    Cause.failureOption(cause),
    () => Cause.isInterruptedOnly(cause) ? error : RegistryError.withFields(error, { cause: Cause.squash(cause) })
  )
