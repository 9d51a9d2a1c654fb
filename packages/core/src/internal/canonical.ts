/**
 * Returns a text that is equal for equal values and for no others. The order of the fields of objects does not count.
 * Returns `undefined` if a part of the value is neither JSON nor `undefined`, or is nested too deeply.
 */
export const canonical = (value: unknown, depth = 0): string | undefined => {
  if (value === undefined) return "-"
  if (value === null || typeof value === "string" || typeof value === "boolean") return JSON.stringify(value)
  if (typeof value === "number") return Number.isFinite(value) ? JSON.stringify(value) : undefined
  if (typeof value !== "object" || depth === maxDepth) return undefined
  if (Array.isArray(value)) return joined("[", Array.from(value, (item) => canonical(item, depth + 1)), "]")
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return undefined
  const fields = Object.entries(value).filter(([, field]) => field !== undefined)
    .toSorted(([one], [other]) => one < other ? -1 : 1)
    .map(([name, field]) => joined(`${JSON.stringify(name)}:`, [canonical(field, depth + 1)], ""))
  return joined("{", fields, "}")
}

const maxDepth = 32

const joined = (start: string, parts: ReadonlyArray<string | undefined>, end: string): string | undefined =>
  parts.includes(undefined) ? undefined : `${start}${parts.join(",")}${end}`
