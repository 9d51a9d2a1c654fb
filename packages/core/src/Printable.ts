/**
 * Text from elsewhere, made fit for a message, a log line and a terminal.
 *
 * @since 0.1.0
 */

/**
 * What does not show (control and format characters, which include the bidirectional ones, separators of lines, halves
 * of surrogate pairs) is written as escapes, and a text longer than `limit` characters is cut.
 *
 * @since 0.1.0
 * @category combinators
 */
export const printable = (text: string, limit = 1024): string => {
  const cut = text.length > limit ? text.slice(0, limit) : text
  const safe = cut.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (char) => {
    const code = char.codePointAt(0)!.toString(16)
    return code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, "0")}`
  })
  return text.length > limit ? `${safe}…` : safe
}
