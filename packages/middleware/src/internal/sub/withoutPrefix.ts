import { RegistryError } from "@effect-oci/core"
import type { RepositoryName } from "@effect-oci/core"

/**
 * Returns a function that removes a prefix from every repository name in an error: in its fields, texts, details and
 * nested errors. A name stands alone, or in a URL after `/v2/`.
 */
export const withoutPrefix = (
  prefix: RepositoryName.RepositoryName
): (error: RegistryError.RegistryError) => RegistryError.RegistryError => {
  const expression = new RegExp(`(?:(?<![a-z0-9._/-])|(?<=/v2/))${prefix.replaceAll(".", "\\.")}/`, "g")
  return (error) => RegistryError.mapText(error, (text) => text.replace(expression, ""))
}
