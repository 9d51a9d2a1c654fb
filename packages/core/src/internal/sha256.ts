import type { Hash } from "./portableHash.js"

/** The size of a block, in bytes. */
const blockSize = 64

/** The initial state: the fractional parts of the square roots of the first 8 primes. */
const initial = [
  0x6a09e667,
  0xbb67ae85,
  0x3c6ef372,
  0xa54ff53a,
  0x510e527f,
  0x9b05688c,
  0x1f83d9ab,
  0x5be0cd19
]

/** The constants of the rounds: the fractional parts of the cube roots of the first 64 primes. */
const constants = [
  0x428a2f98,
  0x71374491,
  0xb5c0fbcf,
  0xe9b5dba5,
  0x3956c25b,
  0x59f111f1,
  0x923f82a4,
  0xab1c5ed5,
  0xd807aa98,
  0x12835b01,
  0x243185be,
  0x550c7dc3,
  0x72be5d74,
  0x80deb1fe,
  0x9bdc06a7,
  0xc19bf174,
  0xe49b69c1,
  0xefbe4786,
  0x0fc19dc6,
  0x240ca1cc,
  0x2de92c6f,
  0x4a7484aa,
  0x5cb0a9dc,
  0x76f988da,
  0x983e5152,
  0xa831c66d,
  0xb00327c8,
  0xbf597fc7,
  0xc6e00bf3,
  0xd5a79147,
  0x06ca6351,
  0x14292967,
  0x27b70a85,
  0x2e1b2138,
  0x4d2c6dfc,
  0x53380d13,
  0x650a7354,
  0x766a0abb,
  0x81c2c92e,
  0x92722c85,
  0xa2bfe8a1,
  0xa81a664b,
  0xc24b8b70,
  0xc76c51a3,
  0xd192e819,
  0xd6990624,
  0xf40e3585,
  0x106aa070,
  0x19a4c116,
  0x1e376c08,
  0x2748774c,
  0x34b0bcb5,
  0x391c0cb3,
  0x4ed8aa4a,
  0x5b9cca4f,
  0x682e6ff3,
  0x748f82ee,
  0x78a5636f,
  0x84c87814,
  0x8cc70208,
  0x90befffa,
  0xa4506ceb,
  0xbef9a3f7,
  0xc67178f2
]

const k = /* @__PURE__ */ new Int32Array(constants)
const w = /* @__PURE__ */ new Int32Array(64)

const rotate = (word: number, bits: number): number => word >>> bits | word << (32 - bits)

/** Adds the block at a position to the state. */
const compress = (state: Int32Array, bytes: Uint8Array, at: number): void => {
  for (let i = 0; i < 16; i++, at += 4) {
    w[i] = bytes[at]! << 24 | bytes[at + 1]! << 16 | bytes[at + 2]! << 8 | bytes[at + 3]!
  }
  for (let i = 16; i < 64; i++) {
    const x = w[i - 15]!
    const y = w[i - 2]!
    w[i] = w[i - 16]! + (rotate(x, 7) ^ rotate(x, 18) ^ x >>> 3) + w[i - 7]! +
      (rotate(y, 17) ^ rotate(y, 19) ^ y >>> 10)
  }
  let a = state[0]!
  let b = state[1]!
  let c = state[2]!
  let d = state[3]!
  let e = state[4]!
  let f = state[5]!
  let g = state[6]!
  let h = state[7]!
  for (let i = 0; i < 64; i++) {
    const one = h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + (e & f ^ ~e & g) + k[i]! + w[i]! | 0
    const two = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + (a & b ^ a & c ^ b & c) | 0
    h = g
    g = f
    f = e
    e = d + one | 0
    d = c
    c = b
    b = a
    a = one + two | 0
  }
  state[0]! += a
  state[1]! += b
  state[2]! += c
  state[3]! += d
  state[4]! += e
  state[5]! += f
  state[6]! += g
  state[7]! += h
}

/** Continues a hash. `block` begins with the bytes since the last whole block, and `size` counts all bytes. */
const from = (state: Int32Array, block: Uint8Array, size: number): Hash => ({
  update: (bytes) => {
    const used = size % blockSize
    let at = used === 0 ? 0 : blockSize - used
    size += bytes.byteLength
    if (bytes.byteLength < at) return block.set(bytes, used)
    if (used > 0) {
      block.set(bytes.subarray(0, at), used)
      compress(state, block, 0)
    }
    for (; at + blockSize <= bytes.byteLength; at += blockSize) compress(state, bytes, at)
    block.set(bytes.subarray(at))
  },
  hex: () => {
    const used = size % blockSize
    const last = new Uint8Array(used < 56 ? blockSize : 2 * blockSize)
    last.set(block.subarray(0, used))
    last[used] = 0x80
    const view = new DataView(last.buffer)
    view.setUint32(last.byteLength - 8, size / 0x2000_0000)
    view.setUint32(last.byteLength - 4, size * 8)
    for (let at = 0; at < last.byteLength; at += blockSize) compress(state, last, at)
    return Array.from(state, (word) => (word >>> 0).toString(16).padStart(8, "0")).join("")
  },
  copy: () => from(state.slice(), block.slice(), size)
})

/**
 * Starts a SHA-256 in JavaScript, for platforms without a native one. It is here because every program in a browser
 * loads it: this module has a quarter of the size of that of `@noble/hashes`, which also contains SHA-512.
 * [FIPS 180-4](https://csrc.nist.gov/pubs/fips/180-4/upd1/final), section 6.2.
 */
export const make = (): Hash => from(new Int32Array(initial), new Uint8Array(blockSize), 0)
