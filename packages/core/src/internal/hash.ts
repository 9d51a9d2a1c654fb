import { sha256, sha512 } from "@noble/hashes/sha2.js"
import { bytesToHex } from "@noble/hashes/utils.js"

/** A hash in progress. `hex` returns the result and ends the hash. `copy` returns a second hash of the same bytes. */
export interface Hash {
  readonly update: (bytes: Uint8Array) => void
  readonly hex: () => string
  readonly copy: () => Hash
}

interface NativeHash {
  readonly update: (bytes: Uint8Array) => unknown
  readonly digest: (encoding: "hex") => string
  readonly copy: () => NativeHash
}

interface NativeCrypto {
  readonly createHash: (algorithm: string) => NativeHash
}

interface PortableHash {
  readonly update: (bytes: Uint8Array) => unknown
  readonly digest: () => Uint8Array
  readonly clone: () => PortableHash
}

/**
 * The native hash, which is several times faster than one in JavaScript. It is loaded without an import, because an
 * import would fail in a browser.
 */
const native: NativeCrypto | undefined = (
  globalThis as { process?: { getBuiltinModule?: (id: string) => unknown } }
).process?.getBuiltinModule?.("node:crypto") as NativeCrypto | undefined

const portable = { sha256, sha512 }

const fromPortable = (hash: PortableHash): Hash => ({
  update: (bytes) => void hash.update(bytes),
  hex: () => bytesToHex(hash.digest()),
  copy: () => fromPortable(hash.clone())
})

const fromNative = (hash: NativeHash): Hash => ({
  update: (bytes) => void hash.update(bytes),
  hex: () => hash.digest("hex"),
  copy: () => fromNative(hash.copy())
})

export const makePortable = (algorithm: "sha256" | "sha512"): Hash => fromPortable(portable[algorithm].create())

export const make = (algorithm: "sha256" | "sha512"): Hash =>
  native === undefined ? makePortable(algorithm) : fromNative(native.createHash(algorithm))
