import * as Body from "../Body.js"
import type { Operation } from "../OperationModel.js"

const bytesEqual = (a: Uint8Array, b: Uint8Array): boolean =>
  a.byteLength === b.byteLength && a.every((byte, index) => byte === b[index])

const bodyEqual = (a: Body.Body, b: Body.Body): boolean =>
  a.bytes !== undefined && b.bytes !== undefined && bytesEqual(a.bytes, b.bytes)

const equal = (a: unknown, b: unknown): boolean => {
  if (Object.is(a, b)) return true
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false
  if (a instanceof Uint8Array && b instanceof Uint8Array) return bytesEqual(a, b)
  if (Body.isBody(a) && Body.isBody(b)) return bodyEqual(a, b)
  return fieldsEqual(a, b)
}

const fieldsEqual = (a: object, b: object): boolean => {
  const names = new Set([...Object.keys(a), ...Object.keys(b)])
  for (const name of names) {
    if (!equal((a as Record<string, unknown>)[name], (b as Record<string, unknown>)[name])) return false
  }
  return true
}

export const operation = (a: Operation, b: Operation): boolean => equal(a, b)
