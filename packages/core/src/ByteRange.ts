/**
 * Ranges of bytes, as they are asked for and as they are sent.
 *
 * @since 0.1.0
 */

/**
 * A range that is asked for: from an offset, for a length or to the end; or the last bytes. RFC 9110, section 14.1.2.
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
 * From an offset to the end.
 *
 * @since 0.1.0
 * @category constructors
 */
export const from = (offset: number): ByteRange => ({ offset })

/**
 * So many bytes from an offset; fewer where the content ends before.
 *
 * @since 0.1.0
 * @category constructors
 */
export const slice = (offset: number, length: number): ByteRange => ({ offset, length })

/**
 * The last bytes; all of the content where it has no more.
 *
 * @since 0.1.0
 * @category constructors
 */
export const last = (suffix: number): ByteRange => ({ suffix })

/**
 * What a range means for content of `size` bytes, or `undefined` if it is no range of whole bytes within: status 416.
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
