import { fromPortable } from "./portableHash.js"
import type { Hash } from "./portableHash.js"

/** The hash of hash-wasm. `save` returns the state of a hash in progress, and `load` continues with a state. */
interface Wasm {
  readonly init: () => Wasm
  readonly update: (bytes: Uint8Array) => Wasm
  readonly digest: (encoding: "hex") => string
  readonly save: () => Uint8Array
  readonly load: (state: Uint8Array) => Wasm
}

/** Loads the implementation in WebAssembly. Fails where WebAssembly may not be compiled, such as in a Worker. */
export const loadWasm = async (): Promise<() => Hash> => {
  // @ts-expect-error: the file of this one algorithm has no types, and is a tenth of the size of the package's main file.
  const loaded = await import("hash-wasm/dist/blake3.umd.min.js") as {
    readonly default: { readonly createBLAKE3: () => Promise<Wasm> }
  }
  return sharing(await loaded.default.createBLAKE3())
}

/** Loads the implementation in JavaScript. */
export const loadPortable = async (): Promise<() => Hash> => {
  const { blake3 } = await import("@noble/hashes/blake3.js")
  return () => fromPortable(blake3.create())
}

/** Loads the implementation in WebAssembly, or the one in JavaScript. */
export const load = (): Promise<() => Hash> => loadWasm().catch(loadPortable)

/** Lets any number of hashes share one instance. The state of the other hashes is saved, 2 KB each. */
const sharing = (wasm: Wasm): () => Hash => {
  const initial = wasm.init().save()
  let active: { state: Uint8Array } | undefined
  const activate = (hash: { state: Uint8Array }): Wasm => {
    if (active === hash) return wasm
    if (active !== undefined) active.state = wasm.save()
    active = hash
    return wasm.load(hash.state)
  }
  const from = (state: Uint8Array): Hash => {
    const hash = { state }
    return {
      update: (bytes) => void activate(hash).update(bytes),
      hex: () => {
        const hex = activate(hash).digest("hex")
        active = undefined
        return hex
      },
      copy: () => {
        if (active === hash) hash.state = wasm.save()
        return from(hash.state)
      }
    }
  }
  return () => from(initial)
}
