import { printable } from "@effect-oci/core"
import type { Operation } from "@effect-oci/core"
import type { Outcome } from "./outcome.js"
import { redact } from "./redact.js"

/** What went wrong, in words that are fit for a log. */
export interface Problem {
  /** The tag of a failure, the name of a defect. */
  readonly name: string
  readonly message: string
}

/** What went wrong with an operation, without the id of an upload that it may tell. */
export const problemOf = (outcome: Outcome, operation: Operation.Operation): Problem | undefined => {
  const problem = describe(outcome)
  return problem && {
    name: printable(problem.name),
    message: redact(problem.message, "id" in operation ? operation.id : undefined)
  }
}

const describe = (outcome: Outcome): Problem | undefined => {
  switch (outcome._tag) {
    case "Failure":
      return { name: outcome.error._tag, message: outcome.error.message }
    case "Defect":
      return describeDefect(outcome.defect)
    default:
      return undefined
  }
}

/**
 * Of a defect that is no error only a text is shown: there is no telling what an object holds. Nor does every error keep
 * to its type, and what is no text must not break the line.
 */
const describeDefect = (defect: unknown): Problem => {
  if (!(defect instanceof Error)) {
    return { name: "Defect", message: typeof defect === "string" ? defect : typeof defect }
  }
  const { message, name }: { readonly message: unknown; readonly name: unknown } = defect
  return { name: String(name), message: String(message) }
}
