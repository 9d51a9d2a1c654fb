import type { RegistryError } from "@effect-oci/core"
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"

/** How an operation ended. `Partial`: its result was the content of a blob or a list, and was not read to its end. */
export type Outcome =
  | { readonly _tag: "Success" }
  | { readonly _tag: "Partial" }
  | { readonly _tag: "Interrupted" }
  | { readonly _tag: "Failure"; readonly error: RegistryError.RegistryError }
  | { readonly _tag: "Defect"; readonly defect: unknown }

export const success: Outcome = { _tag: "Success" }

const partial: Outcome = { _tag: "Partial" }
const interrupted: Outcome = { _tag: "Interrupted" }

/** Returns the outcome of a cause: its first failure, otherwise its first defect, otherwise an interruption. */
export const fromCause = (cause: Cause.Cause<RegistryError.RegistryError>): Outcome => {
  const error = Cause.failureOption(cause)
  if (Option.isSome(error)) return { _tag: "Failure", error: error.value }
  const defect = Cause.dieOption(cause)
  return Option.isSome(defect) ? { _tag: "Defect", defect: defect.value } : interrupted
}

/**
 * Returns the outcome of a result that was not read to its end, because the reader stopped, failed or was interrupted.
 */
export const unended = (reader: Exit.Exit<unknown, unknown>): Outcome =>
  Exit.isInterrupted(reader) ? interrupted : partial
