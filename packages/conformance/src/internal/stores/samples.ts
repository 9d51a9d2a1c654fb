import * as Digest from "@effect-oci/core/Digest"
import * as BlobStore from "@effect-oci/store/BlobStore"

/** Content, keys and digests for the checks of stores. */

/** Returns the n-th key, in ascending order: a UUID of version 7. */
export const key = (n: number): BlobStore.BlobKey => {
  const time = n.toString(16).padStart(12, "0")
  return BlobStore.BlobKey(`${time.slice(0, 8)}-${time.slice(8)}-7000-8000-000000000000`)
}

/** Returns sample bytes. Bytes with another seed differ at every position. */
export const bytes = (length: number, seed = 0): Uint8Array => {
  const content = new Uint8Array(length)
  for (let n = 0; n < length; n++) content[n] = (n + seed) % 251
  return content
}

/** Returns the digest of the n-th sample blob, which has `n` bytes. */
export const digest = (n: number, algorithm?: Digest.Algorithm): Digest.Digest => Digest.fromBytes(bytes(n), algorithm)

/** Joins pieces of bytes. */
export const join = (pieces: ReadonlyArray<Uint8Array>): Uint8Array => {
  const whole = new Uint8Array(pieces.reduce((sum, { byteLength }) => sum + byteLength, 0))
  let offset = 0
  for (const piece of pieces) {
    whole.set(piece, offset)
    offset += piece.byteLength
  }
  return whole
}
