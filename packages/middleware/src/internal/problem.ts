import { printable, redact } from "@effect-oci/core"
import type { Operation, Outcome } from "@effect-oci/core"

/** A description of what went wrong, safe to log. */
export interface Problem {
  /** The tag of a failure, the name of a defect. */
  readonly name: string
  readonly message: string
}

/** Returns the problem of an outcome, without the id of an upload. */
export const problemOf = (outcome: Outcome.Outcome, operation: Operation.Operation): Problem | undefined => {
  const problem = describe(outcome)
  return problem && {
    name: printable(problem.name),
    message: redact(problem.message, "id" in operation ? operation.id : undefined)
  }
}

const describe = (outcome: Outcome.Outcome): Problem | undefined => {
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
 * Shows only the type of a defect that is not an error or a text, because an object may contain secrets. Some errors
 * have a `name` or `message` that is not a text, and these must not break the log line.
 */
const describeDefect = (defect: unknown): Problem => {
  if (!(defect instanceof Error)) {
    return { name: "Defect", message: typeof defect === "string" ? defect : typeof defect }
  }
  const { message, name }: { readonly message: unknown; readonly name: unknown } = defect
  return { name: String(name), message: String(message) }
}
