/**
 * When to come back: the `Retry-After` header.
 *
 * @since 0.1.0
 */
import * as Range from "./Range.js"
import type * as Wire from "./Wire.js"

/** The three forms of a date, of which the last does not say that it is GMT. RFC 9110, section 5.6.7. */
const dateForm = /^[a-z]{3,9},? [ 0-9a-z:-]{15,30}$/i

/** A date in milliseconds. */
const parseDate = (text: string | undefined): number | undefined => {
  if (text === undefined || !dateForm.test(text)) return undefined
  const date = Date.parse(text.endsWith("GMT") ? text : `${text} GMT`)
  return Number.isNaN(date) ? undefined : date
}

/**
 * How long an answer says to wait, in milliseconds: zero for a time that has passed, `undefined` where it says nothing
 * that can be understood. A date is counted from when the answer was made (`Date`), else from `now`, in milliseconds
 * since the epoch. RFC 9110, section 10.2.3.
 *
 * @since 0.1.0
 * @category decoding
 */
export const parse = (headers: Wire.Headers, now?: number): number | undefined => {
  const value = headers["retry-after"]?.trim()
  const seconds = Range.parseClamped(value)
  if (seconds !== undefined) return Math.min(seconds * 1000, Number.MAX_SAFE_INTEGER)
  const until = parseDate(value)
  const from = parseDate(headers["date"]) ?? now
  return until === undefined || from === undefined ? undefined : Math.max(0, until - from)
}
