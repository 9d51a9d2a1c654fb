/**
 * Byte ranges, as requested and as sent.
 *
 * @since 0.1.0
 */

/**
 * A requested range: from an offset, with a length or to the end; or a suffix, the last bytes. [RFC 9110, section
 * 14.1.2](https://www.rfc-editor.org/rfc/rfc9110#section-14.1.2).
 *
 * @since 0.1.0
 * @category models
 */
export type ByteRange =
  | { readonly offset: number; readonly length?: number | undefined; readonly suffix?: undefined }
  | { readonly suffix: number; readonly offset?: undefined; readonly length?: undefined }

/**
 * A range of content whose size is known: `offset + length` is at most that size.
 *
 * @since 0.1.0
 * @category models
 */
export interface Span {
  readonly offset: number
  readonly length: number
}

/**
 * Creates a range from an offset to the end.
 *
 * @since 0.1.0
 * @category constructors
 */
export const from = (offset: number): ByteRange => ({ offset })

/**
 * Creates a range of `length` bytes from an offset. The range is shorter if the content ends before.
 *
 * @since 0.1.0
 * @category constructors
 */
export const slice = (offset: number, length: number): ByteRange => ({ offset, length })

/**
 * Creates a range of the last `suffix` bytes, or of the whole content if it is shorter.
 *
 * @since 0.1.0
 * @category constructors
 */
export const last = (suffix: number): ByteRange => ({ suffix })

/**
 * Resolves a range for content of `size` bytes. Returns `undefined` if the range contains no whole byte of the content;
 * a server answers such a request with status 416.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import { ByteRange } from "@effect-oci/core"
 *
 * const span = ByteRange.resolve(ByteRange.slice(2000, 3001), 2048) // { offset: 2000, length: 48 }
 * ```
 */
export const resolve = (range: ByteRange, size: number): Span | undefined => {
  if (range.suffix === undefined) {
    return spanOf(range.offset, Math.min(range.length ?? size, size - range.offset))
  }
  const length = Math.min(range.suffix, size)
  return spanOf(size - length, length)
}

const spanOf = (offset: number, length: number): Span | undefined =>
  Number.isInteger(offset) && Number.isInteger(length) && offset >= 0 && length > 0 ? { offset, length } : undefined
