/**
 * The `Warning` header, a message of the registry to people.
 *
 * @since 0.1.0
 */

/**
 * The maximum length of a header, in characters. The spec limits registries to 4096 bytes. Spec:
 * [Warnings](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#warnings).
 *
 * @since 0.1.0
 * @category constants
 */
export const maxLength = 4096

/**
 * Matches `299 - "text"`: the code and the agent that the spec requires, without a date. No part of the expression can
 * match the character that ends it.
 */
const value = /\s*299\s+-\s+"((?:[^"\\]|\\.)*)"\s*(?:,|$)/y

/**
 * Returns the texts of a header, up to the first value with another form: a code other than 299, an agent, or a date.
 * [RFC 7234, section 5.5](https://www.rfc-editor.org/rfc/rfc7234#section-5.5); spec:
 * [Warnings](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#warnings).
 *
 * @since 0.1.0
 * @category decoding
 * @example
 * ```ts
 * import { Warning } from "@effect-oci/protocol"
 *
 * const texts = Warning.parse(`299 - "this registry moves on Monday"`) // ["this registry moves on Monday"]
 * ```
 */
export const parse = (header: string | undefined): ReadonlyArray<string> => {
  if (header === undefined || header.length > maxLength) return []
  const texts: Array<string> = []
  value.lastIndex = 0
  while (value.lastIndex < header.length) {
    const match = value.exec(header)
    if (match === null) return texts
    texts.push((match[1] ?? "").replace(/\\(.)/gs, "$1"))
  }
  return texts
}

/**
 * Formats texts as a header of at most 4096 bytes. Stops at the first text that no longer fits. Characters that are not
 * allowed in a header become `?`.
 *
 * @since 0.1.0
 * @category encoding
 */
export const format = (texts: ReadonlyArray<string>): string => {
  let header = ""
  for (const text of texts) {
    const quoted = text.replace(/[^\x20-\x7e]/g, "?").replace(/["\\]/g, "\\$&")
    const more = `${header === "" ? "" : ", "}299 - "${quoted}"`
    if (header.length + more.length > maxLength) break
    header += more
  }
  return header
}
