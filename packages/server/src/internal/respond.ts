import * as Answer from "@effect-oci/core/Answer"
import type * as Operation from "@effect-oci/core/Operation"
import type { RegistryError } from "@effect-oci/core/RegistryError"
import * as ErrorBody from "@effect-oci/protocol/ErrorBody"
import type * as Wire from "@effect-oci/protocol/Wire"
import * as Effect from "effect/Effect"

/** A result or an error, before it becomes a response. */
export type Answered<A> = Effect.Effect<A, RegistryError>

/**
 * Maps the result or the error of an operation to a response. If the answer is not settled, only the wait for it can be
 * interrupted.
 */
export const respond = <A>(
  answer: Answered<A>,
  operation: Operation.Operation,
  onSuccess: (result: A) => Wire.Response
): Effect.Effect<Wire.Response> =>
  Answer.match(Answer.ifPending(answer, Effect.interruptible), {
    onSuccess,
    onFailure: (error) => ErrorBody.encode(error, operation)
  })
