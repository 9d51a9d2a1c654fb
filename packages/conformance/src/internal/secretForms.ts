import * as Encoding from "effect/Encoding"

/** Returns the base64 forms of a text for every alignment, without the characters that depend on the text around it. */
const inBase64 = (text: string): ReadonlyArray<string> =>
  [0, 2, 3].map((skipped, shift) => Encoding.encodeBase64(" ".repeat(shift) + text).slice(skipped, -4))

/** Returns the encodings in which a secret of letters, digits and dashes may occur in a text. */
export const formsOf = (secret: string): ReadonlyArray<string> => [
  secret,
  ...inBase64(secret),
  Encoding.encodeHex(secret)
]

/** Tests whether a text contains a secret, in any of its encodings. */
export const reveals = (text: string, forms: ReadonlyArray<string>): boolean =>
  forms.some((form) => text.includes(form))
