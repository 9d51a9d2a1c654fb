import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
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

    it("is copied with its bytes so far, and each copy goes on alone", () => {
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
