/** Percent-encoding, total in both directions. RFC 3986, section 2.1. */

/** Decoded once; what is malformed stays as it is, and fits no grammar. */
export const decode = (text: string): string => {
  if (!text.includes("%")) return text
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** A half of a surrogate pair, which has no encoding, becomes U+FFFD. */
export const encode = (text: string): string => encodeURIComponent(text.replace(/\p{Cs}/gu, "\ufffd"))
