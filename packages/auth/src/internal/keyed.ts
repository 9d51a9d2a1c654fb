import * as Digest from "@effect-oci/core/Digest"
import * as Encoding from "effect/Encoding"

/**
 * Names for secrets in tables, from which nobody gets the secrets back: a hash of the secret and of a key that this
 * process alone knows. They never leave it. JSON, since no two lists of texts have the same.
 */
export const make = (): (...secret: ReadonlyArray<string>) => string => {
  const key = Encoding.encodeBase64(crypto.getRandomValues(new Uint8Array(32)))
  return (...secret) => Digest.fromBytes(new TextEncoder().encode(JSON.stringify([key, ...secret])))
}
