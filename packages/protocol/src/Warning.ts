/**
 * The `Warning` header, by which a registry says something to people.
 *
 * @since 0.1.0
 */

/**
 * The longest header that is read, in characters: registries keep to 4096 bytes. Spec: "Warnings".
 *
 * @since 0.1.0
 * @category constants
 */
export const maxLength = 4096

/** `299 - "text"`: the code and the agent that the spec asks for, and no date. Each part excludes what ends it. */
const value = /\s*299\s+-\s+"((?:[^"\\]|\\.)*)"\s*(?:,|$)/y

/**
 * The texts of a header, up to where it has another form: a code other than 299, an agent, a date. RFC 7234, section
 * 5.5; spec: "Warnings".
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
 * The header that says some texts, as many of them as its length allows: at most 4096 bytes. What does not fit a header
 * is written as `?`.
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
