import { encodeHex } from "effect/Encoding"

/** A hash in progress. `hex` returns the result and ends the hash. `copy` returns a second hash of the same bytes. */
export interface Hash {
  readonly update: (bytes: Uint8Array) => void
  readonly hex: () => string
  readonly copy: () => Hash
}

interface PortableHash {
  readonly update: (bytes: Uint8Array) => unknown
  readonly digest: () => Uint8Array
  readonly clone: () => PortableHash
}

/** Returns a hash that is computed in JavaScript. */
export const fromPortable = (hash: PortableHash): Hash => ({
  update: (bytes) => void hash.update(bytes),
  hex: () => encodeHex(hash.digest()),
  copy: () => fromPortable(hash.clone())
})
