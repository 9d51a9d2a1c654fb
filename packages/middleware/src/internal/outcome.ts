import type { RegistryError } from "@effect-oci/core"
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"

/** How an operation ended. `Partial`: its answer was the content of a blob or a list, and not all of it was read. */
export type Outcome =
  | { readonly _tag: "Success" }
  | { readonly _tag: "Partial" }
  | { readonly _tag: "Interrupted" }
  | { readonly _tag: "Failure"; readonly error: RegistryError.RegistryError }
  | { readonly _tag: "Defect"; readonly defect: unknown }

export const success: Outcome = { _tag: "Success" }

const partial: Outcome = { _tag: "Partial" }
const interrupted: Outcome = { _tag: "Interrupted" }

/** What the cause says first: a failure, else a defect, else that it was interrupted. */
export const fromCause = (cause: Cause.Cause<RegistryError.RegistryError>): Outcome => {
  const error = Cause.failureOption(cause)
  if (Option.isSome(error)) return { _tag: "Failure", error: error.value }
  const defect = Cause.dieOption(cause)
  return Option.isSome(defect) ? { _tag: "Defect", defect: defect.value } : interrupted
}

/** Of an answer whose reader ended before it did: by its own choice or failure, or because it was interrupted. */
export const unended = (reader: Exit.Exit<unknown, unknown>): Outcome =>
  Exit.isInterrupted(reader) ? interrupted : partial
