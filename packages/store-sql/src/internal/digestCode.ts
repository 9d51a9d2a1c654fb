import type { Digest } from "@effect-oci/core/Digest"

/**
 * The code of a digest in a database: one byte for the algorithm, then the hash. Codes have the order of the digests.
 * The algorithms with a byte of their own, in order. Digests of other algorithms are text after a byte that keeps the
 * order.
 */
const algorithms = ["blake3:", "sha256:", "sha512:"] as const

const hexOf = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"))

/** Returns the value of a character of lower-case hex, or a negative number. */
const nibble = (code: number): number =>
  code >= 97 && code <= 102 ? code - 87 : code >= 48 && code <= 57 ? code - 48 : -1

const hexToBytes = (text: string, from: number, bytes: Uint8Array, at: number): boolean => {
  for (let index = from; index < text.length; index += 2) {
    const byte = nibble(text.charCodeAt(index)) * 16 + nibble(text.charCodeAt(index + 1))
    if (!(byte >= 0)) return false
    bytes[at++] = byte
  }
  return true
}

const textEncoder = new TextEncoder()
const textDecoder = new TextDecoder()

/** Encodes a digest. */
export const encode = (digest: Digest): Uint8Array => {
  const index = algorithms.findIndex((algorithm) => digest < algorithm || digest.startsWith(algorithm))
  const algorithm = algorithms[index]
  if (algorithm !== undefined && digest.startsWith(algorithm) && (digest.length - algorithm.length) % 2 === 0) {
    const bytes = new Uint8Array(1 + (digest.length - algorithm.length) / 2)
    bytes[0] = 2 * index + 1
    if (hexToBytes(digest, algorithm.length, bytes, 1)) return bytes
  }
  const text = textEncoder.encode(digest)
  const bytes = new Uint8Array(1 + text.byteLength)
  bytes[0] = 2 * (index < 0 ? algorithms.length : index)
  bytes.set(text, 1)
  return bytes
}

/** Decodes a digest. */
export const decode = (code: Uint8Array): Digest => {
  const first = code[0]!
  if (first % 2 === 0) return textDecoder.decode(code.subarray(1)) as Digest
  let text: string = algorithms[(first - 1) / 2]!
  for (let index = 1; index < code.byteLength; index++) text += hexOf[code[index]!]
  return text as Digest
}

/** Returns bytes in lower-case hex. */
export const toHex = (bytes: Uint8Array): string => {
  let text = ""
  for (const byte of bytes) text += hexOf[byte]
  return text
}

/** Encodes a digest as hex, for lists of digests in JSON. */
export const encodeHex = (digest: Digest): string => toHex(encode(digest))

/** Decodes a digest from hex in either case. */
export const decodeHex = (hex: string): Digest => {
  const bytes = new Uint8Array(hex.length / 2)
  hexToBytes(hex.toLowerCase(), 0, bytes, 0)
  return decode(bytes)
}
