import { RegistryError } from "@effect-oci/core"
import * as Predicate from "effect/Predicate"

/** The maximum depth of error details, which are JSON of a few levels. Deeper values are left out. */
const maxDepth = 32

/**
 * Returns a function that changes every text in an error: in its fields, in its details including their names, and in
 * nested errors. The operation keeps its name.
 */
export const mapErrorText = (
  text: (value: string) => string
): (error: RegistryError.RegistryError) => RegistryError.RegistryError => {
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
