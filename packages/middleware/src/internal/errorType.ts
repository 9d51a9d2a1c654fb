import { RegistryError } from "@effect-oci/core"
import type { Outcome } from "@effect-oci/core"

/**
 * Returns the value of OpenTelemetry's `error.type`: the tag of a failure. Defects and errors of other packages can
 * have any name, so their value is `_OTHER`.
 */
export const errorType = (outcome: Outcome.Outcome): string | undefined => {
  switch (outcome._tag) {
    case "Failure":
      return RegistryError.isRegistryError(outcome.error) ? outcome.error._tag : "_OTHER"
    case "Defect":
      return "_OTHER"
    default:
      return undefined
  }
}
