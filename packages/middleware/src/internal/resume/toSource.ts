import { RegistryError } from "@effect-oci/core"
import type { Body } from "@effect-oci/core"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"

/** Starts what a native end waits for, in a fiber that can be interrupted and does not outlive the content. */
export type Fork = <A>(
  effect: Effect.Effect<A, RegistryError.RegistryError>
) => Fiber.RuntimeFiber<A, RegistryError.RegistryError>

/** The native end of a body, or else its stream as one, which a fiber runs as fast as it is taken. */
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
    // Nothing may flow before this returns, and a fiber starts at once.
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

/** The failure of a cause; `error` where it was interrupted, and with what is wrong where that is a defect. */
export const failureOf = (
  cause: Cause.Cause<RegistryError.RegistryError>,
  error: RegistryError.RegistryError
): RegistryError.RegistryError =>
  Option.getOrElse(
    Cause.failureOption(cause),
    () => Cause.isInterruptedOnly(cause) ? error : RegistryError.withFields(error, { cause: Cause.squash(cause) })
  )
