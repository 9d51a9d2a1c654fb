import { bytesToHex } from "@noble/hashes/utils.js"
import type { Hash } from "./hash.js"

interface PortableHash {
  readonly update: (bytes: Uint8Array) => unknown
  readonly digest: () => Uint8Array
  readonly clone: () => PortableHash
}

/** Returns a hash that is computed in JavaScript. */
export const fromPortable = (hash: PortableHash): Hash => ({
  update: (bytes) => void hash.update(bytes),
  hex: () => bytesToHex(hash.digest()),
  copy: () => fromPortable(hash.clone())
})
