import { RegistryError } from "@effect-oci/core"
import type { RepositoryName } from "@effect-oci/core"
import * as Predicate from "effect/Predicate"

/** Details are JSON of a few levels; what lies deeper than this is left out rather than walked. */
const maxDepth = 32

/**
 * Takes a prefix away from every name of a repository that an error tells: in its fields, its texts, its details and
 * the errors in it. A name stands alone, or in a URL after `/v2/`.
 */
export const withoutPrefix = (
  prefix: RepositoryName.RepositoryName
): (error: RegistryError.RegistryError) => RegistryError.RegistryError => {
  const expression = new RegExp(`(?:(?<![a-z0-9._/-])|(?<=/v2/))${prefix.replaceAll(".", "\\.")}/`, "g")
  const text = (value: string): string => value.replace(expression, "")
  const ofError = <E extends RegistryError.RegistryError>(error: E, depth: number): E => {
    const fields = Object.entries(error).filter(([name]) => name !== "_tag" && name !== "operation")
    return RegistryError.withFields(error, Object.fromEntries(fields.map(([name, value]) => [name, any(value, depth)])))
  }
  const any = (value: unknown, depth: number): unknown => {
    if (typeof value === "string") return text(value)
    if (!Predicate.isObject(value)) return value
    if (depth === maxDepth) return undefined
    if (RegistryError.isRegistryError(value)) return ofError(value, depth + 1)
    if (Array.isArray(value)) return value.map((item) => any(item, depth + 1))
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [text(name), any(item, depth + 1)]))
  }
  return (error) => ofError(error, 0)
}
