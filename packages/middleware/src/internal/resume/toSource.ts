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
    let over = false
    let asked = false
    let wake = () => {}
    const give = (piece: Uint8Array) =>
      Effect.suspend(() => {
        asked = false
        if (over || sink.data(piece) || asked) return Effect.void
        return Effect.async<void>((resume) => {
          wake = () => resume(Effect.void)
        })
      })
    // The source must return before bytes flow, but a fiber starts at once.
    const flow = Effect.zipRight(Effect.yieldNow(), Stream.runForEach(body.stream, give))
    const fiber = fork(flow)
    fiber.addObserver((exit) => {
      if (over) return
      if (exit._tag === "Success") sink.end()
      else sink.fail(failureOf(exit.cause, new RegistryError.TransportError({ reason: "the content was closed" })))
    })
    return {
      resume: () => {
        asked = true
        wake()
      },
      cancel: () => {
        over = true
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
