import * as Digest from "@effect-oci/core/Digest"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

/** Encodes bytes in base32, for a multiple of 5 bytes. https://www.rfc-editor.org/rfc/rfc4648#section-6 */
const base32 = (bytes: Uint8Array): string => {
  let text = ""
  let bits = 0
  let value = 0
  for (const byte of bytes) {
    value = ((value << 8) | byte) & 0xfff
    bits += 8
    while (bits >= 5) {
      bits -= 5
      text += alphabet[(value >> bits) & 31]
    }
  }
  return text
}

/**
 * Returns the id of a key as distribution's libtrust computes it. `docker-registry` finds the key in its
 * `rootcertbundle` by this id: the first 240 bits of the sha256 of the public key (SubjectPublicKeyInfo, DER), in
 * base32, in twelve groups.
 */
export const keyId = (spki: Uint8Array): string => {
  const hash = Either.getOrThrow(Encoding.decodeHex(Digest.encoded(Digest.fromBytes(spki))))
  return base32(hash.subarray(0, 30)).replace(/.{4}(?=.)/g, "$&:")
}
