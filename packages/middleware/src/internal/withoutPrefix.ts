import type { RegistryError, RepositoryName } from "@effect-oci/core"
import { mapErrorText } from "./mapErrorText.js"

/**
 * Takes a prefix away from every name of a repository that an error tells: in its fields, its texts, its details and
 * the errors in it. A name stands alone, or in a URL after `/v2/`.
 */
export const withoutPrefix = (
  prefix: RepositoryName.RepositoryName
): (error: RegistryError.RegistryError) => RegistryError.RegistryError => {
  const expression = new RegExp(`(?:(?<![a-z0-9._/-])|(?<=/v2/))${prefix.replaceAll(".", "\\.")}/`, "g")
  return mapErrorText((value) => value.replace(expression, ""))
}
