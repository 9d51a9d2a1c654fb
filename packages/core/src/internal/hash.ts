import * as blake3 from "./blake3.js"
import { fromPortable } from "./portableHash.js"
import type { Hash } from "./portableHash.js"
import * as sha256 from "./sha256.js"

export type { Hash }

interface NativeHash {
  readonly update: (bytes: Uint8Array) => unknown
  readonly digest: (encoding: "hex") => string
  readonly copy: () => NativeHash
}

interface NativeCrypto {
  readonly createHash: (algorithm: string) => NativeHash
}

/**
 * The native hash, which is several times faster than one in JavaScript. It is loaded without an import, because an
 * import would fail in a browser.
 */
const native: NativeCrypto | undefined = (
  globalThis as { process?: { getBuiltinModule?: (id: string) => unknown } }
).process?.getBuiltinModule?.("node:crypto") as NativeCrypto | undefined

const fromNative = (hash: NativeHash): Hash => ({
  update: (bytes) => void hash.update(bytes),
  hex: () => hash.digest("hex"),
  copy: () => fromNative(hash.copy())
})

type Algorithm = "sha256" | "sha512" | "blake3"

/** Loads the implementation of an algorithm in JavaScript or WebAssembly. */
export const portable: { readonly [A in Algorithm]: () => Promise<() => Hash> } = {
  sha256: () => Promise.resolve(sha256.make),
  sha512: async () => {
    const { sha512 } = await import("@noble/hashes/sha2.js")
    return () => fromPortable(sha512.create())
  },
  blake3: () => blake3.loadWasm().catch(blake3.loadPortable)
}

/** The implementations that are loaded. */
const loaded: { [A in Algorithm]?: () => Hash } = native === undefined ? { sha256: sha256.make } : {
  sha256: () => fromNative(native.createHash("sha256")),
  sha512: () => fromNative(native.createHash("sha512"))
}

const loading: { [A in Algorithm]?: Promise<void> | undefined } = {}

/** Returns whether hashes by an algorithm can be made. */
export const isLoaded = (algorithm: Algorithm): boolean => loaded[algorithm] !== undefined

/** Loads an algorithm. If that fails, the algorithm stays unsupported, and the next call tries again. */
export const load = (algorithm: Algorithm): Promise<void> =>
  loading[algorithm] ??= portable[algorithm]().then(
    (make) => {
      loaded[algorithm] = make
    },
    () => {
      loading[algorithm] = undefined
    }
  )

export const make = (algorithm: Algorithm): Hash => {
  const start = loaded[algorithm]
  if (start === undefined) throw new Error(`cannot hash by ${algorithm}: it is not loaded; run Digest.load first`)
  return start()
}
