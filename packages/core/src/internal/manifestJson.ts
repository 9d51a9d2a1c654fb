import * as Either from "effect/Either"

/** A JSON object whose members have not been checked. */
export type Raw = { readonly [name: string]: unknown }

/**
 * The maximum number of values in the JSON of a manifest. JSON of 4 MiB can contain two million values, and parsing
 * them takes most of a second.
 */
export const maxValues = 200_000

/**
 * The maximum nesting depth of the JSON of a manifest. Programs that read JSON recursively stop, or crash, at some
 * depth.
 */
const maxDepth = 1000

// Keep the byte order mark, so that `JSON.parse` refuses it.
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

const quote = 0x22
const backslash = 0x5c
const colon = 0x3a
const comma = 0x2c
const bracket = 0x5b
const bracketEnd = 0x5d
const brace = 0x7b
const braceEnd = 0x7d

interface Counts {
  /** The number of members of all objects, as written: a repeated name counts each time. */
  readonly members: number
  /** The approximate number of all values. Every value except the first follows one of the counted characters. */
  readonly values: number
  /** The maximum nesting depth of the values. */
  readonly depth: number
}

/**
 * Counts the members, values and nesting of a JSON text without parsing it. No byte of a multi-byte UTF-8 character
 * equals one of the counted characters.
 */
const count = (bytes: Uint8Array): Counts => {
  let members = 0
  let others = 0
  let open = 0
  let depth = 0
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]
    if (byte === quote) {
      for (at++; at < bytes.length && bytes[at] !== quote; at++) if (bytes[at] === backslash) at++
    } else if (byte === colon) members++
    else if (byte === comma) others++
    else if (byte === bracket || byte === brace) {
      others++
      depth = Math.max(depth, ++open)
    } else if (byte === bracketEnd || byte === braceEnd) open--
  }
  return { members, values: members + others, depth }
}

/** Counts the members of all objects in a parsed value. Uses its own stack, because values may be nested deeply. */
const distinctMembers = (value: unknown): number => {
  const open: Array<unknown> = [value]
  let members = 0
  const visit = (each: unknown) => {
    if (typeof each === "object" && each !== null) open.push(each)
  }
  while (open.length > 0) {
    const next = open.pop()
    if (Array.isArray(next)) {
      next.forEach(visit)
      continue
    }
    // Faster than `Object.values` on objects with many members.
    const names = Object.keys(next as Raw)
    members += names.length
    for (const name of names) visit((next as Raw)[name])
  }
  return members
}

const startsWithMark = (bytes: Uint8Array): boolean => bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf

/**
 * Parses the JSON object in `bytes`. Returns `undefined` if there is no object. Returns a reason if other programs may
 * read the object differently, or if it contains too many values. Takes linear time.
 *
 * `JSON.parse` keeps only the last of two members with the same name. So if the parsed value has fewer members than the
 * text, an object contains a name twice.
 */
export const parse = (bytes: Uint8Array): Either.Either<Raw | undefined, string> => {
  const { depth, members, values } = count(bytes)
  if (values > maxValues) return Either.left(`its JSON holds more than ${maxValues} values`)
  if (depth > maxDepth) return Either.left(`its JSON is nested more than ${maxDepth} deep`)
  const marked = startsWithMark(bytes)
  const object = objectIn(marked ? bytes.subarray(3) : bytes)
  if (object === undefined) return Either.right(undefined)
  if (marked) return Either.left("it begins with a byte order mark, which JSON may not have")
  if (distinctMembers(object) < members) {
    return Either.left("an object in it has two members of one name, and programs differ in which one they read")
  }
  return Either.right(object)
}

const objectIn = (bytes: Uint8Array): Raw | undefined => {
  try {
    const value: unknown = JSON.parse(utf8.decode(bytes))
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value as Raw : undefined
  } catch {
    return undefined
  }
}
