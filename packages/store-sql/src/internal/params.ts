import type { Param, Statement } from "../SqlBatch.js"

/**
 * Returns a parameter that every driver accepts. A view of a larger buffer is copied, because another thread would
 * receive the whole buffer. The character NUL becomes U+FFFD: PostgreSQL cannot store it, and libsql ends a text at it.
 *
 * @throws TypeError if the value is not a `Param`
 */
const checkParam = (value: unknown): Param => {
  if (value === null) return value
  if (typeof value === "string") return value.includes("\0") ? value.replaceAll("\0", "\uFFFD") : value
  if (typeof value === "number" && Number.isFinite(value)) return value
  if (value instanceof Uint8Array) {
    return value.constructor === Uint8Array && value.byteLength === value.buffer.byteLength
      ? value
      : new Uint8Array(value)
  }
  throw new TypeError(
    `a parameter of a statement must be text, a finite number, bytes or null, and not ${describe(value)}`
  )
}

const describe = (value: unknown): string => typeof value === "number" ? String(value) : typeof value

/** Checks the parameters of a statement. */
export const check = ({ guard, params, sql }: Statement): Statement => {
  const checked: Array<Param> = []
  // `map` skips the holes of an array.
  for (let index = 0; index < params.length; index++) checked.push(checkParam(params[index]))
  return { sql, guard, params: checked }
}
