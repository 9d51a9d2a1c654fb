import { Answer, Operation, RegistryError } from "@effect-oci/core"
import type * as Effect from "effect/Effect"
import type { Outcome } from "./askAll.js"
import * as memberErrors from "./memberErrors.js"

/** Returns the first result. */
export const firstOf = <A>([first]: readonly [A, ...ReadonlyArray<A>]): A => first

/**
 * Combines the outcomes of a write at several members. If all members succeeded, combines their results. If all failed,
 * fails with one combined error. Otherwise, fails with `PartialFailure`, which contains the outcome of each member.
 * `isAbsent` selects failures that count as success if another member succeeded.
 */
export const combineWrites = <A, B>(
  operation: Operation.Operation,
  outcomes: ReadonlyArray<Outcome<A>>,
  combine: (results: readonly [A, ...ReadonlyArray<A>]) => B,
  isAbsent: (error: RegistryError.RegistryError) => boolean = () => false
): Effect.Effect<B, RegistryError.RegistryError> => {
  const results = outcomes.flatMap(({ answer }) => answer._tag === "Right" ? [answer.right] : [])
  if (results.length === 0) return Answer.fail(memberErrors.combine(operation, memberErrors.of(outcomes)))
  const all = outcomes.map(({ answer, name }) => ({
    name,
    error: answer._tag === "Left" && !isAbsent(answer.left) ? answer.left : undefined
  }))
  const failed = all.flatMap(({ error, name }) => error === undefined ? [] : [{ name, error }])
  if (failed.length === 0) return Answer.succeed(combine(results as [A, ...Array<A>]))
  const succeeded = all.filter(({ error }) => error === undefined).map(({ name }) => name).join(", ")
  const reason = `succeeded at ${succeeded}; failed at ${memberErrors.describe(failed)}`
  return Answer.fail(new RegistryError.PartialFailure({ ...Operation.errorFields(operation), reason, outcomes: all }))
}
