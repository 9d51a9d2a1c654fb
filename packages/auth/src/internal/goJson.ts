import * as Predicate from "effect/Predicate"

/**
 * Returns the fields of a JSON object by their names in lower case, as Go's `encoding/json` reads a struct: names match
 * in any case, the last of several spellings counts, and `null` leaves a field unset. Returns `undefined` if the value
 * is not an object.
 */
export const fieldsOf = (json: unknown): Readonly<Partial<Record<string, unknown>>> | undefined => {
  if (!Predicate.isRecord(json)) return undefined
  const fields: Record<string, unknown> = { __proto__: null }
  for (const [name, value] of Object.entries(json)) {
    if (value !== null) fields[name.toLowerCase()] = value
  }
  return fields
}
