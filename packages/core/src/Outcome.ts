/**
 * Outcomes: how an operation ended.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { RegistryError } from "./RegistryError.js"

/**
 * How an operation ended.
 *
 * - `Partial`: the result was the content of a blob or a list, and its reader stopped before the end.
 * - `Failure`: the operation, its content or its list failed.
 *
 * @since 0.1.0
 * @category models
 */
export type Outcome =
  | { readonly _tag: "Success" }
  | { readonly _tag: "Partial" }
  | { readonly _tag: "Interrupted" }
  | { readonly _tag: "Failure"; readonly error: RegistryError }
  | { readonly _tag: "Defect"; readonly defect: unknown }

/**
 * The outcome of an operation that succeeded, and whose result was read to its end.
 *
 * @since 0.1.0
 * @category constructors
 */
export const success: Outcome = { _tag: "Success" }

const partial: Outcome = { _tag: "Partial" }
const interrupted: Outcome = { _tag: "Interrupted" }

/**
 * Returns the outcome of a cause: its first failure, otherwise its first defect, otherwise an interruption.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromCause = (cause: Cause.Cause<RegistryError>): Outcome => {
  const error = Cause.failureOption(cause)
  if (Option.isSome(error)) return { _tag: "Failure", error: error.value }
  const defect = Cause.dieOption(cause)
  return Option.isSome(defect) ? { _tag: "Defect", defect: defect.value } : interrupted
}

/**
 * Returns the outcome of a result that was not read to its end: the reader stopped, failed or was interrupted.
 *
 * @since 0.1.0
 * @category constructors
 */
export const unfinished = (reader: Exit.Exit<unknown, unknown>): Outcome =>
  Exit.isInterrupted(reader) ? interrupted : partial
