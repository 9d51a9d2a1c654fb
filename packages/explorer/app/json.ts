/** Reads members of JSON that may have any shape. A member of another type counts as absent. */

/** Parses JSON. Returns `undefined` if the bytes are not JSON. */
export const parse = (bytes: Uint8Array): unknown => {
  try {
    return JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    return undefined
  }
}

/** Parses JSON in base64, in its usual or its URL form. Returns `undefined` if the text is not that. */
export const base64 = (text: string): unknown => {
  try {
    return parse(Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0)))
  } catch {
    return undefined
  }
}

export const isObject = (value: unknown): value is { readonly [name: string]: unknown } =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Returns the value at a path of own members. */
export const at = (value: unknown, ...path: ReadonlyArray<string>): unknown => {
  let found = value
  for (const name of path) {
    if (!isObject(found) || !Object.hasOwn(found, name)) return undefined
    found = found[name]
  }
  return found
}

export const text = (value: unknown, ...path: ReadonlyArray<string>): string | undefined => {
  const found = at(value, ...path)
  return typeof found === "string" && found !== "" ? found : undefined
}

export const list = (value: unknown, ...path: ReadonlyArray<string>): ReadonlyArray<unknown> => {
  const found = at(value, ...path)
  return Array.isArray(found) ? found : []
}

export const texts = (value: unknown, ...path: ReadonlyArray<string>): ReadonlyArray<string> =>
  list(value, ...path).filter((each) => typeof each === "string")

/** Returns the members of an object whose values are texts. */
export const entries = (value: unknown, ...path: ReadonlyArray<string>): ReadonlyArray<readonly [string, string]> => {
  const found = at(value, ...path)
  return isObject(found)
    ? Object.entries(found).filter((entry): entry is [string, string] => typeof entry[1] === "string")
    : []
}

/** Returns the names of the members of an object. */
export const names = (value: unknown, ...path: ReadonlyArray<string>): ReadonlyArray<string> => {
  const found = at(value, ...path)
  return isObject(found) ? Object.keys(found) : []
}
