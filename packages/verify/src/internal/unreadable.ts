import { RegistryError } from "@effect-oci/core"

/** Returns the problem of an artifact that the registry does not return. */
export const unreadable = (error: RegistryError.RegistryError): string =>
  `cannot be read: ${RegistryError.reason(error)}`
