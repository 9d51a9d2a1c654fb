/**
 * The `Retry-After` header.
 *
 * @since 0.1.0
 */
import * as Range from "./Range.js"
import type * as Wire from "./Wire.js"

/**
 * Matches the three forms of a date. The last form does not name its time zone, which is GMT. [RFC 9110, section
 * 5.6.7](https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7).
 */
const dateForm = /^[a-z]{3,9},? [ 0-9a-z:-]{15,30}$/i

/** Parses a date to milliseconds since the epoch. */
const parseDate = (text: string | undefined): number | undefined => {
  if (text === undefined || !dateForm.test(text)) return undefined
  const date = Date.parse(text.endsWith("GMT") ? text : `${text} GMT`)
  return Number.isNaN(date) ? undefined : date
}

/**
 * Returns how long a response asks the client to wait, in milliseconds. Returns zero for a time in the past, and
 * `undefined` if the header is missing or malformed. If the header contains a date, the wait is counted from the `Date`
 * header, or else from `now`, in milliseconds since the epoch. [RFC 9110, section
 * 10.2.3](https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3).
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
