import * as Encoding from "effect/Encoding"

/** What base64 makes of a text, wherever in the encoded bytes it begins, without what depends on what is round it. */
const inBase64 = (text: string): ReadonlyArray<string> =>
  [0, 2, 3].map((skipped, shift) => Encoding.encodeBase64(" ".repeat(shift) + text).slice(skipped, -4))

/** The forms in which a secret of letters, digits and dashes may be found in a text. */
export const formsOf = (secret: string): ReadonlyArray<string> => [
  secret,
  ...inBase64(secret),
  Encoding.encodeHex(secret)
]

/** Whether a text tells a secret, in any of its forms. */
export const tells = (text: string, forms: ReadonlyArray<string>): boolean => forms.some((form) => text.includes(form))
