import { RegistryError } from "@effect-oci/core"
import type { Body } from "@effect-oci/core"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

/** What the fibers of a native end run in, and the scope that they do not outlive. */
export interface Native {
  readonly runtime: Runtime.Runtime<never>
  readonly scope: Scope.Scope
}

/** The native end of a body, or else its stream as one, which a fiber runs as fast as it is taken. */
export const toSource = (body: Body.Body, { runtime, scope }: Native): Body.Source =>
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
    const fiber = Runtime.runFork(runtime)(flow, { scope })
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
