/**
 * The headers that speak of ranges.
 *
 * @since 0.1.0
 */
import * as ByteRange from "@effect-oci/core/ByteRange"
import type * as Wire from "./Wire.js"

const digits = /^[0-9]{1,16}$/
const anyDigits = /^[0-9]+$/

/** No content is so large that it has a byte after this one. */
const lastPosition = Number.MAX_SAFE_INTEGER - 1

const unit = /^bytes[= ]/i

/**
 * A count of bytes or items, as it is written in headers and queries: decimal digits, at most
 * `Number.MAX_SAFE_INTEGER`. `undefined` where it is anything else.
 *
 * @since 0.1.0
 * @category decoding
 */
export const parseCount = (text: string | undefined): number | undefined => {
  if (text === undefined || !digits.test(text)) return undefined
  const count = Number(text)
  return Number.isSafeInteger(count) ? count : undefined
}

/**
 * As {@link parseCount}, for counts that only bound something: one that is larger than can be counted is
 * `Number.MAX_SAFE_INTEGER`.
 *
 * @since 0.1.0
 * @category decoding
 */
export const parseClamped = (text: string | undefined): number | undefined =>
  text === undefined || !anyDigits.test(text) ? undefined : Math.min(Number(text), Number.MAX_SAFE_INTEGER)

const split = (text: string, separator: string): readonly [string, string] | undefined => {
  const at = text.indexOf(separator)
  return at < 0 ? undefined : [text.slice(0, at), text.slice(at + 1)]
}

/**
 * Reads a `Range` header. `none` is one to be ignored (another unit, several ranges, rubbish); `invalid` one that no
 * content can satisfy. RFC 9110, section 14.2.
 *
 * @since 0.1.0
 * @category decoding
 */
export const parse = (header: string | undefined): ByteRange.ByteRange | "none" | "invalid" => {
  const value = header?.trim()
  if (value === undefined || !/^bytes=/i.test(value)) return "none"
  const parts = split(value.slice("bytes=".length).trim(), "-")
  if (parts === undefined) return "none"
  const [first, last] = parts
  if (first === "") {
    const suffix = parseClamped(last)
    return suffix === undefined ? "none" : suffix === 0 ? "invalid" : ByteRange.last(suffix)
  }
  const start = parseClamped(first)
  if (start === undefined) return "none"
  if (last === "") return ByteRange.from(start)
  const said = parseClamped(last)
  if (said === undefined) return "none"
  const end = Math.min(said, lastPosition)
  return end < start ? "invalid" : ByteRange.slice(start, end - start + 1)
}

/**
 * A `Range` header. An empty range, which cannot be written, becomes one that no content can satisfy.
 *
 * @since 0.1.0
 * @category encoding
 */
export const format = (range: ByteRange.ByteRange): string => {
  if (range.suffix !== undefined) return `bytes=-${range.suffix}`
  if (range.length === 0) return "bytes=-0"
  return `bytes=${range.offset}-${range.length === undefined ? "" : range.offset + range.length - 1}`
}

/**
 * What a `Content-Range` header of a response says: the span that is sent and the size of the whole, if known.
 *
 * @since 0.1.0
 * @category models
 */
export interface ContentRange {
  readonly span: ByteRange.Span | undefined
  readonly size: number | undefined
}

/**
 * Reads the `Content-Range` header of a response: `bytes 0-9/100`, and `bytes *\/100` with status 416. RFC 9110,
 * section 14.4.
 *
 * @since 0.1.0
 * @category decoding
 */
export const parseContentRange = (header: string | undefined): ContentRange | undefined => {
  const value = header?.trim()
  if (value === undefined || !/^bytes /i.test(value)) return undefined
  const parts = split(value.slice("bytes ".length).trim(), "/")
  if (parts === undefined) return undefined
  const size = parseCount(parts[1])
  if (parts[1] !== "*" && size === undefined) return undefined
  if (parts[0] === "*") return size === undefined ? undefined : { span: undefined, size }
  const span = parseSpan(parts[0])
  return span === undefined || (size !== undefined && span.offset + span.length > size) ? undefined : { span, size }
}

/**
 * The `Content-Range` header of a response.
 *
 * @since 0.1.0
 * @category encoding
 */
export const formatContentRange = (range: ContentRange): string =>
  `bytes ${range.span === undefined ? "*" : formatSpan(range.span)}/${range.size ?? "*"}`

/**
 * Reads `first-last`, both included: the `Content-Range` of a chunk, without a unit (spec: "Pushing a blob in
 * chunks"), and the `Range` of an upload. An empty span cannot be written so, and one that ends beyond counting is none.
 *
 * @since 0.1.0
 * @category decoding
 */
export const parseSpan = (text: string): ByteRange.Span | undefined => {
  const parts = split(text, "-")
  const first = parseCount(parts?.[0])
  const last = parseCount(parts?.[1])
  return first === undefined || last === undefined || last < first || last > lastPosition
    ? undefined
    : { offset: first, length: last - first + 1 }
}

/**
 * `first-last`, both included, of a span that is not empty.
 *
 * @since 0.1.0
 * @category encoding
 */
export const formatSpan = (span: ByteRange.Span): string => `${span.offset}-${span.offset + span.length - 1}`

/**
 * How much of an upload a registry has, from the answer's headers: `Upload-Offset` where there is one, else the `Range`.
 * In that `0-0` is ambiguous: it is read as nothing, as every registry answers a new upload so, unless `atLeast` says
 * that something is known to be there. Other forms seen in the wild: `bytes=0-9`, `0--1`, none at all. `undefined`
 * where the headers do not say it.
 *
 * @since 0.1.0
 * @category decoding
 */
export const parseUploadOffset = (headers: Wire.Headers, atLeast = 0): number | undefined => {
  const offset = parseCount(headers["upload-offset"])
  if (offset !== undefined) return offset
  const range = headers["range"]?.trim().replace(unit, "")
  if (range === undefined) return undefined
  if (range === "0-0") return Math.min(atLeast, 1)
  if (range === "0--1") return 0
  const span = parseSpan(range)
  return span === undefined ? undefined : span.offset + span.length
}

/**
 * The headers that say how much of an upload is there. `Range: 0-0` stands for no byte and for one, so the count goes
 * with it.
 *
 * @since 0.1.0
 * @category encoding
 */
export const formatUploadOffset = (offset: number): { readonly range: string; readonly "upload-offset": string } => ({
  range: `0-${Math.max(0, offset - 1)}`,
  "upload-offset": String(offset)
})
