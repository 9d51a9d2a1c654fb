import { BlobContent, Body, Handler } from "@effect-oci/core"
import type { Operation, RegistryError } from "@effect-oci/core"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

/** The result of an operation, as an effect. */
export type AnswerTo<O extends Operation.Operation> = Effect.Effect<
  Operation.ResultOf<O>,
  RegistryError.RegistryError,
  Operation.ScopeOf<O>
>

type ErrorMap = (error: RegistryError.RegistryError) => RegistryError.RegistryError

/** Maps the result. A result that is available at once (an `Exit`) stays so. */
export const map = <A, B, E, R>(answer: Effect.Effect<A, E, R>, f: (result: A) => B): Effect.Effect<B, E, R> => {
  const exit = Handler.exitOf(answer)
  return exit === undefined ? Effect.map(answer, f) : Exit.map(exit, f)
}

/**
 * Maps the error. A result that is available at once stays so. This function does not touch a success, so it is cheaper
 * than `Effect.mapError`.
 */
export const mapError = <A, R>(
  answer: Effect.Effect<A, RegistryError.RegistryError, R>,
  f: ErrorMap
): Effect.Effect<A, RegistryError.RegistryError, R> => {
  const exit = Handler.exitOf(answer)
  if (exit === undefined) return Effect.catchAllCause(answer, (cause) => Exit.failCause(Cause.map(cause, f)))
  return exit._tag === "Success" ? answer : Exit.mapError(exit, f)
}

/** Maps the errors with which content breaks. A native source stays native. */
export const mapContentError = (content: BlobContent.BlobContent, f: ErrorMap): BlobContent.BlobContent =>
  content.body.bytes === undefined
    ? new BlobContent.BlobContent({ ...content, body: Body.mapError(content.body, f) })
    : content
