/**
 * Percent-encoding. Both directions accept any text. [RFC 3986, section
 * 2.1](https://www.rfc-editor.org/rfc/rfc3986#section-2.1).
 */

/** Decodes a text once. A malformed text is returned unchanged, and no grammar accepts it afterwards. */
export const decode = (text: string): string => {
  if (!text.includes("%")) return text
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** Encodes a text. An unpaired surrogate has no encoding and becomes U+FFFD. */
export const encode = (text: string): string => encodeURIComponent(text.replace(/\p{Cs}/gu, "\ufffd"))
