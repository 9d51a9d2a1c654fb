import type * as Body from "../Body.js"
import type { Operation } from "./operationModel.js"

const bytesEqual = (a: Uint8Array, b: Uint8Array): boolean => {
  if (a.byteLength !== b.byteLength) return false
  for (let i = 0; i < a.byteLength; i++) if (a[i] !== b[i]) return false
  return true
}

const bodyEqual = (a: Body.Body, b: Body.Body): boolean =>
  a === b || (a.bytes !== undefined && b.bytes !== undefined && bytesEqual(a.bytes, b.bytes))

const fieldEqual = (name: string, a: unknown, b: unknown): boolean => {
  if (Object.is(a, b)) return true
  if (a === undefined || b === undefined) return false
  if (a instanceof Uint8Array && b instanceof Uint8Array) return bytesEqual(a, b)
  if (name === "body") return bodyEqual(a as Body.Body, b as Body.Body)
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, index) => fieldEqual("", item, b[index]))
  }
  return typeof a === "object" && typeof b === "object" && a !== null && b !== null && recordEqual(a, b)
}

const recordEqual = (a: object, b: object): boolean => {
  const names = new Set([...Object.keys(a), ...Object.keys(b)])
  for (const name of names) {
    if (!fieldEqual(name, (a as Record<string, unknown>)[name], (b as Record<string, unknown>)[name])) return false
  }
  return true
}

export const operation = (a: Operation, b: Operation): boolean => a === b || (a._tag === b._tag && recordEqual(a, b))
