/**
 * The `Link` header, by which lists go on.
 *
 * @since 0.1.0
 */

/**
 * The longest header that is read.
 *
 * @since 0.1.0
 * @category constants
 */
export const maxLength = 16 * 1024

/** One `<target>; name=value; name="value"` of the header: linear, as each part excludes what ends it. */
const value = /\s*<([^<>]*)>((?:\s*;\s*[^\s=;,"]+(?:\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^\s",;]*))?)*)\s*(?:,|$)/y
const relation = /;\s*rel\s*=\s*(?:"([^"]*)"|([^\s",;]*))/i

/**
 * The target of the next page, as it is written: it may be relative. `undefined` where there is none, or the header is
 * malformed before it. RFC 8288; spec: "Listing Tags".
 *
 * @since 0.1.0
 * @category decoding
 */
export const next = (header: string | undefined): string | undefined => {
  if (header === undefined || header.length > maxLength) return undefined
  value.lastIndex = 0
  while (value.lastIndex < header.length) {
    const match = value.exec(header)
    if (match === null) return undefined
    const rel = relation.exec(match[2] ?? "")
    const names = (rel?.[1] ?? rel?.[2] ?? "").toLowerCase().split(/\s+/)
    if (names.includes("next")) return match[1]
  }
  return undefined
}

/**
 * The header for a next page.
 *
 * @since 0.1.0
 * @category encoding
 */
export const format = (target: string): string => `<${target}>; rel="next"`
