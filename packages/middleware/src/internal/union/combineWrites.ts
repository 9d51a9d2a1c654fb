import { Operation, RegistryError } from "@effect-oci/core"
import * as Exit from "effect/Exit"
import type { Outcome } from "./askAll.js"
import * as attempts from "./memberErrors.js"

/**
 * Combines the outcomes of a write at several members. If all members succeeded, returns their results. If all failed,
 * fails with one combined error. Otherwise, fails with `PartialFailure`, which contains the outcome of each member.
 * `lacks` selects failures that count as success if another member succeeded.
 */
export const everyOne = <A>(
  operation: Operation.Operation,
  outcomes: ReadonlyArray<Outcome<A>>,
  lacks?: (error: RegistryError.RegistryError) => boolean
): Exit.Exit<readonly [A, ...ReadonlyArray<A>], RegistryError.RegistryError> => {
  const done = outcomes.flatMap(({ answer }) => answer._tag === "Right" ? [answer.right] : [])
  const failed = outcomes.flatMap(({ answer, name }) => answer._tag === "Left" ? [{ name, error: answer.left }] : [])
  if (done.length === 0) return Exit.fail(attempts.asOne(operation, failed))
  const all = outcomes.map(({ answer, name }) => ({
    name,
    error: answer._tag === "Left" && lacks?.(answer.left) !== true ? answer.left : undefined
  }))
  const bad = all.flatMap(({ error, name }) => error === undefined ? [] : [{ name, error }])
  if (bad.length === 0) return Exit.succeed(done as [A, ...Array<A>])
  const good = all.flatMap(({ error, name }) => error === undefined ? [name] : [])
  const reason = `done at ${good.join(", ")}, but not at ${attempts.told(bad)}`
  return Exit.fail(
    new RegistryError.PartialFailure({ ...Operation.errorFields(operation), reason, outcomes: all })
  )
}
