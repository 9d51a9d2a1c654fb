import * as Digest from "@effect-oci/core/Digest"
import * as Encoding from "effect/Encoding"

/**
 * Creates a function that returns the table key of a secret: a hash of the secret and of a random key that never leaves
 * this process, so that the table does not reveal the secret. The input is JSON, because different lists of texts have
 * different JSON.
 */
export const make = (): (...secret: ReadonlyArray<string>) => string => {
  const key = Encoding.encodeBase64(crypto.getRandomValues(new Uint8Array(32)))
  return (...secret) => Digest.fromBytes(new TextEncoder().encode(JSON.stringify([key, ...secret])))
}
