import { hmac } from "@noble/hashes/hmac.js"
import { sha256 } from "@noble/hashes/sha2.js"
import * as Encoding from "effect/Encoding"

/** Names for secrets in tables, from which nobody gets the secrets back: a keyed hash, its key known to one process. */
export const make = (): (...secret: ReadonlyArray<string>) => string => {
  const key = crypto.getRandomValues(new Uint8Array(32))
  // What is hashed is told apart: no two lists of texts have the same JSON.
  return (...secret) => Encoding.encodeBase64Url(hmac(sha256, key, new TextEncoder().encode(JSON.stringify(secret))))
}
