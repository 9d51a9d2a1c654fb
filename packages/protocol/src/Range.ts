/**
 * The `Range` and `Content-Range` headers, and upload offsets.
 *
 * @since 0.1.0
 */
import * as ByteRange from "@effect-oci/core/ByteRange"
import type * as Wire from "./Wire.js"

const digits = /^[0-9]{1,16}$/
const anyDigits = /^[0-9]+$/

/** The largest position of a byte. No content is larger. */
const lastPosition = Number.MAX_SAFE_INTEGER - 1

const unit = /^bytes[= ]/i

/**
 * Parses a count of bytes or items in a header or query: decimal digits, at most `Number.MAX_SAFE_INTEGER`. Returns
 * `undefined` for anything else.
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
 * Parses a count that is only an upper bound. Works as {@link parseCount}, but returns `Number.MAX_SAFE_INTEGER` for a
 * larger count.
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
 * Parses a `Range` header. Returns `none` if the header must be ignored (another unit, several ranges, malformed), and
 * `invalid` if no content can satisfy it. [RFC 9110, section
 * 14.2](https://www.rfc-editor.org/rfc/rfc9110#section-14.2).
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
  const lastByte = parseClamped(last)
  if (lastByte === undefined) return "none"
  const end = Math.min(lastByte, lastPosition)
  return end < start ? "invalid" : ByteRange.slice(start, end - start + 1)
}

/**
 * Formats a `Range` header. An empty range cannot be expressed, so it becomes a range that no content can satisfy.
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
 * The content of a response's `Content-Range` header: the range that is sent, and the size of the whole content, if
 * known.
 *
 * @since 0.1.0
 * @category models
 */
export interface ContentRange {
  readonly span: ByteRange.Span | undefined
  readonly size: number | undefined
}

/**
 * Parses the `Content-Range` header of a response: `bytes 0-9/100`, or `bytes *\/100` with status 416. [RFC 9110,
 * section 14.4](https://www.rfc-editor.org/rfc/rfc9110#section-14.4).
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
 * Formats the `Content-Range` header of a response.
 *
 * @since 0.1.0
 * @category encoding
 */
export const formatContentRange = (range: ContentRange): string =>
  `bytes ${range.span === undefined ? "*" : formatSpan(range.span)}/${range.size ?? "*"}`

/**
 * Parses `first-last`, both inclusive: the `Content-Range` of a chunk, which has no unit, and the `Range` of an upload.
 * Returns `undefined` for an empty range, which cannot be expressed, and for a position that is too large. Spec:
 * [Pushing a blob in
 * chunks](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-a-blob-in-chunks).
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
 * Formats a range that is not empty as `first-last`, both inclusive.
 *
 * @since 0.1.0
 * @category encoding
 */
export const formatSpan = (span: ByteRange.Span): string => `${span.offset}-${span.offset + span.length - 1}`

/**
 * Returns the number of bytes that a registry has of an upload, from the headers of its response: `Upload-Offset` if
 * present, otherwise `Range`. Returns `undefined` if the headers do not contain it.
 *
 * `Range: 0-0` is ambiguous. It means zero bytes, because registries send it for a new upload, except if `atLeast` says
 * that some bytes are known to be there; then it means one byte. Some registries send the forms `bytes=0-9` and `0--1`,
 * or no header.
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
 * Formats the headers with the number of bytes of an upload. `Range: 0-0` means both zero bytes and one byte, so
 * `Upload-Offset` is sent too.
 *
 * @since 0.1.0
 * @category encoding
 */
export const formatUploadOffset = (offset: number): { readonly range: string; readonly "upload-offset": string } => ({
  range: `0-${Math.max(0, offset - 1)}`,
  "upload-offset": String(offset)
})
