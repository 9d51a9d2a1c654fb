import { Operation } from "@effect-oci/core"

/** Returns the repository and the reference of an operation: `team/app:v1`. */
export const placeOf = (operation: Operation.Operation): string => {
  const { reference, repository = "" } = Operation.errorFields(operation)
  return reference === undefined ? repository : `${repository}${reference.includes(":") ? "@" : ":"}${reference}`
}
