import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as blake3 from "../../src/internal/blake3.js"
import * as hash from "../../src/internal/hash.js"

const text = (content: string): Uint8Array => new TextEncoder().encode(content)

const hex = (hasher: hash.Hash, chunks: ReadonlyArray<Uint8Array>): string => {
  for (const chunk of chunks) hasher.update(chunk)
  return hasher.hex()
}

/** The examples of FIPS 180-4. */
const vectors = [
  {
    algorithm: "sha256" as const,
    content: "",
    expected: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
  },
  {
    algorithm: "sha256" as const,
    content: "abc",
    expected: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
  },
  {
    algorithm: "sha512" as const,
    content: "",
    expected: "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce" +
      "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"
  },
  {
    algorithm: "sha512" as const,
    content: "abc",
    expected: "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a" +
      "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
  }
]

describe.each([{ name: "the native hash", make: hash.make }, { name: "the portable hash", make: hash.makePortable }])(
  "$name",
  ({ make }) => {
    it.each(vectors)("$algorithm of $content", ({ algorithm, content, expected }) => {
      expect(hex(make(algorithm), [text(content)])).toBe(expected)
    })

    it("is copied with its bytes so far, and the copies are independent", () => {
      for (const algorithm of ["sha256", "sha512"] as const) {
        const hasher = make(algorithm)
        hasher.update(text("ab"))
        const copy = hasher.copy()
        const second = copy.copy()
        copy.update(text("xyz"))
        hasher.update(text("c"))
        expect(hasher.hex()).toBe(
          vectors.find((each) => each.algorithm === algorithm && each.content === "abc")?.expected
        )
        expect(hex(second, [text("c")])).toBe(hex(make(algorithm), [text("abc")]))
        expect(hex(copy, [])).toBe(hex(make(algorithm), [text("abxyz")]))
      }
    })

    it("does not keep a reference to the bytes", () => {
      const bytes = text("abc")
      const hasher = make("sha256")
      hasher.update(bytes)
      bytes.fill(0)
      expect(hasher.hex()).toBe(vectors[1]?.expected)
    })
  }
)

describe("both hashes", () => {
  it("agree on any content, in any pieces", () => {
    const chunk = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
      fc.tuple(fc.uint8Array({ minLength: 4, maxLength: 40 }), fc.nat(3)).map(([bytes, from]) => bytes.subarray(from))
    )
    fc.assert(
      fc.property(fc.constantFrom("sha256", "sha512"), fc.array(chunk, { maxLength: 6 }), (algorithm, chunks) => {
        const expected = hex(hash.makePortable(algorithm), [new Uint8Array(Buffer.concat(chunks))])
        expect(hex(hash.make(algorithm), chunks)).toBe(expected)
        expect(hex(hash.makePortable(algorithm), chunks)).toBe(expected)
      })
    )
  })

  it("are different: the native hash is used if there is one", () => {
    // Only the native hash accepts text.
    expect(() => hash.make("sha256").update("abc" as never)).not.toThrow()
    expect(() => hash.makePortable("sha256").update("abc" as never)).toThrow("expected Uint8Array")
  })
})

/** Returns the content of the published test vectors of BLAKE3: the bytes 0 to 250, again and again. */
const counted = (size: number) => new Uint8Array(size).map((_, index) => index % 251)

const blake3Vectors = [
  [0, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"],
  [1, "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213"],
  [1023, "10108970eeda3eb932baac1428c7a2163b0e924c9a9e25b35bba72b28f70bd11"],
  [1024, "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7"],
  [1025, "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444"],
  [102_400, "bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085"]
] as const

describe.each([
  { name: "blake3 in WebAssembly", load: blake3.loadWasm },
  { name: "blake3 in JavaScript", load: blake3.loadPortable }
])("$name", ({ load }) => {
  it.each(blake3Vectors)("hashes the test vector of %i bytes", async (size, expected) => {
    expect(hex((await load())(), [counted(size)])).toBe(expected)
  })

  it("hashes several contents at once, in any pieces, also after a copy", async () => {
    const [make, reference] = [await load(), await blake3.loadPortable()]
    const content = fc.uint8Array({ maxLength: 3000 })
    const steps = fc.array(fc.tuple(fc.nat(9), content, fc.boolean()), { maxLength: 12 })
    fc.assert(
      fc.property(steps, (steps) => {
        const hashes = [make(), make()].map((hash) => ({ hash, parts: new Array<Uint8Array>() }))
        for (const [index, part, copied] of steps) {
          const one = hashes[index % hashes.length]!
          if (copied) hashes.push({ hash: one.hash.copy(), parts: [...one.parts] })
          one.hash.update(part)
          one.parts.push(part.slice())
          part.fill(0)
        }
        for (const { hash, parts } of hashes) {
          expect(hash.hex()).toBe(hex(reference(), [new Uint8Array(Buffer.concat(parts))]))
        }
      }),
      { numRuns: 50 }
    )
  })
})
