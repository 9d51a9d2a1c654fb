import * as Encoding from "effect/Encoding"

/**
 * Returns the encodings in which a secret of letters, digits and dashes may occur in a text. Base64 has three alignments,
 * and the first and the last characters depend on the text around the secret.
 */
export const formsOf = (secret: string): ReadonlyArray<string> => [
  secret,
  ...[0, 2, 3].map((skipped, shift) => Encoding.encodeBase64(" ".repeat(shift) + secret).slice(skipped, -4)),
  Encoding.encodeHex(secret)
]

/** Tests whether a text contains a secret, in any of its encodings. */
export const reveals = (text: string, forms: ReadonlyArray<string>): boolean =>
  forms.some((form) => text.includes(form))
