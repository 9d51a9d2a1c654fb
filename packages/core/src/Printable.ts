/**
 * Escaping and redaction of untrusted text for messages, log lines and terminals.
 *
 * @since 0.1.0
 */

/**
 * Escapes invisible characters, and cuts a text that is longer than `limit` characters. Invisible characters are
 * control and format characters (including bidirectional controls), line separators, and unpaired surrogates.
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

const query = /[?#][^\s?#"'<>]*=[^\s"'<>]*/g
/** Matches each user information after slashes, also after the slash that follows another one. Takes linear time. */
const userInfo = /(?<!\/)\/{2,}(?:[^\s/@]*@\/*)+/g

/**
 * Makes text from outside the program safe to log: escapes and cuts it, removes `secret`, such as the id of an upload,
 * and removes the query and the user information of URLs, which may contain signatures, upload state and passwords.
 *
 * @since 0.1.0
 * @category combinators
 */
export const redact = (text: string, secret?: string): string => {
  const kept = secret === undefined || secret === "" ? text : text.replaceAll(secret, "…")
  // A query may hide the slash that ends a name, so user information is removed again after it.
  const safe = kept.replace(userInfo, "//").replace(query, "?…").replace(userInfo, "//")
  return printable(safe, 2048)
}
