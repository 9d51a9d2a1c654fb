import * as hash from "./hash.js"

/** Returns the signature of content, in hex. */
export type Sign = (content: Uint8Array) => string

/** The size of a block of SHA-256, in bytes. */
const blockSize = 64

/**
 * Returns a function that signs content by HMAC with SHA-256, and returns the signature in hex. The two hashes that begin
 * with the key are made once. See [RFC 2104](https://www.rfc-editor.org/rfc/rfc2104).
 */
export const make = (key: Uint8Array): Sign => {
  const inner = padded(key, 0x36)
  const outer = padded(key, 0x5c)
  return (content) => {
    const innerHash = inner.copy()
    innerHash.update(content)
    const outerHash = outer.copy()
    outerHash.update(bytesOf(innerHash.hex()))
    return outerHash.hex()
  }
}

/** Returns a hash that has seen the key, as one block. */
const padded = (key: Uint8Array, pad: number): hash.Hash => {
  const block = new Uint8Array(blockSize)
  block.set(key.byteLength > blockSize ? digestOf(key) : key)
  const begun = hash.make("sha256")
  begun.update(block.map((byte) => byte ^ pad))
  return begun
}

const digestOf = (bytes: Uint8Array): Uint8Array => {
  const whole = hash.make("sha256")
  whole.update(bytes)
  return bytesOf(whole.hex())
}

/** Returns the bytes that a text in hex contains. */
export const bytesOf = (hex: string): Uint8Array =>
  Uint8Array.from({ length: hex.length / 2 }, (_, index) => Number.parseInt(hex.slice(2 * index, 2 * index + 2), 16))
