import { sha256, sha512 } from "@noble/hashes/sha2.js"
import { fromPortable } from "./portableHash.js"
import type { Hash } from "./portableHash.js"

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

const portable = { sha256, sha512 }

const fromNative = (hash: NativeHash): Hash => ({
  update: (bytes) => void hash.update(bytes),
  hex: () => hash.digest("hex"),
  copy: () => fromNative(hash.copy())
})

export const makePortable = (algorithm: "sha256" | "sha512"): Hash => fromPortable(portable[algorithm].create())

let makeBlake3: (() => Hash) | undefined
let loading: Promise<void> | undefined

/** Returns whether hashes by blake3 can be made. */
export const isBlake3Loaded = (): boolean => makeBlake3 !== undefined

/** Loads blake3. If that fails, blake3 stays unsupported, and the next call tries again. */
export const loadBlake3 = (): Promise<void> =>
  loading ??= import("./blake3.js").then(({ load }) => load()).then(
    (make) => {
      makeBlake3 = make
    },
    () => {
      loading = undefined
    }
  )

export const make = (algorithm: "sha256" | "sha512" | "blake3"): Hash => {
  if (algorithm !== "blake3") {
    return native === undefined ? makePortable(algorithm) : fromNative(native.createHash(algorithm))
  }
  if (makeBlake3 === undefined) throw new Error("cannot hash by blake3: it is not loaded; run Digest.load first")
  return makeBlake3()
}
