import { RegistryError } from "@effect-oci/core"
import type { Outcome } from "./outcome.js"

/**
 * What OpenTelemetry calls `error.type`: the tag of a failure. There is no end of the names that a defect, or an error of
 * somebody else's, may have: those are `_OTHER`.
 */
export const errorType = (outcome: Outcome): string | undefined => {
  switch (outcome._tag) {
    case "Failure":
      return RegistryError.isRegistryError(outcome.error) ? outcome.error._tag : "_OTHER"
    case "Defect":
      return "_OTHER"
    default:
      return undefined
  }
}
