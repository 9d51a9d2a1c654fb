import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as fc from "fast-check"
import { createHash } from "node:crypto"
import * as Answer from "../src/Answer.js"
import * as Digest from "../src/Digest.js"
import * as hash from "../src/internal/hash.js"
import * as Operation from "../src/Operation.js"
import { Registry } from "../src/Registry.js"
import * as RepositoryName from "../src/RepositoryName.js"
import { digests, hostileTexts, quickest } from "./texts.js"

const hex = (length: number) => "0123456789abcdef".repeat(8).slice(0, length)

describe("parse", () => {
  // The rows of the image spec's table under "Digests", and edge cases of its grammar.
  const taken: ReadonlyArray<readonly [name: string, text: string, algorithm: string, encoded: string]> = [
    ["sha256", `sha256:${hex(64)}`, "sha256", hex(64)],
    ["sha512", `sha512:${hex(128)}`, "sha512", hex(128)],
    ["blake3", `blake3:${hex(64)}`, "blake3", hex(64)],
    ["another algorithm", "md5:d41d8cd98f00b204e9800998ecf8427e", "md5", "d41d8cd98f00b204e9800998ecf8427e"],
    [
      "components",
      "multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8",
      "multihash+base58",
      "QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8"
    ],
    [
      "base64url",
      "sha256+b64u:LCa0a2j_xo_5m0U8HTBBNBNCLXBkg7-g-YpeiGJm564=",
      "sha256+b64u",
      "LCa0a2j_xo_5m0U8HTBBNBNCLXBkg7-g-YpeiGJm564="
    ],
    ["every separator", "a+b.c_d-e:=_-", "a+b.c_d-e", "=_-"],
    ["one character each", "0:0", "0", "0"],
    ["an algorithm named constructor", "constructor:0", "constructor", "0"],
    ["the longest", `x:${"0".repeat(510)}`, "x", "0".repeat(510)]
  ]
  it.each(taken)("accepts %s", (_, text, algorithm, encoded) => {
    const digest = Either.getOrThrow(Digest.parse(text))
    expect(digest).toBe(text)
    expect(Digest.is(text)).toBe(true)
    expect(Digest.algorithm(digest)).toBe(algorithm)
    expect(Digest.encoded(digest)).toBe(encoded)
  })

  const refused: ReadonlyArray<readonly [name: string, text: string, reason: string]> = [
    ["nothing", "", "algorithm:encoded"],
    ["no colon", hex(64), "algorithm:encoded"],
    ["no algorithm", `:${hex(64)}`, "the algorithm"],
    ["an algorithm in upper case", `SHA256:${hex(64)}`, "the algorithm"],
    ["two separators in the algorithm", "a++b:0", "the algorithm"],
    ["a separator first", "+a:0", "the algorithm"],
    ["a separator last", "a+:0", "the algorithm"],
    ["an algorithm named __proto__", "__proto__:0", "the algorithm"],
    ["a space before", ` sha256:${hex(64)}`, "the algorithm"],
    ["nothing after the colon", "x:", "the part after ':'"],
    ["a second colon", "x:0:0", "the part after ':'"],
    ["a path", "x:../../etc", "the part after ':'"],
    ["a line end", "x:0\n", "the part after ':'"],
    ["a percent sign", "x:%2e%2e", "the part after ':'"],
    ["sha256 in upper case", `sha256:${hex(64).toUpperCase()}`, "64 lower-case"],
    ["sha256 one short", `sha256:${hex(63)}`, "64 lower-case"],
    ["sha256 one over", `sha256:${hex(65)}`, "64 lower-case"],
    ["sha256 of other letters", `sha256:${"g".repeat(64)}`, "64 lower-case"],
    ["sha256 with a line end", `sha256:${hex(64)}\n`, "64 lower-case"],
    ["sha256 with a line end among 64", `sha256:${hex(63)}\n`, "64 lower-case"],
    ["sha256 of nothing", "sha256:", "64 lower-case"],
    ["sha256 as a path", "sha256:../../x", "64 lower-case"],
    ["sha512 with 64", `sha512:${hex(64)}`, "128 lower-case"],
    ["blake3 with 128", `blake3:${hex(128)}`, "64 lower-case"],
    ["too long", `x:${"0".repeat(511)}`, "longer than 512"]
  ]
  it.each(refused)("refuses %s", (_, text, reason) => {
    expect(Digest.is(text)).toBe(false)
    const error = Either.getOrThrow(Either.flip(Digest.parse(text)))
    expect(error.expected).toBe("digest")
    expect(error.message).toContain(reason)
    expect(() => Digest.make(text)).toThrow(reason)
  })

  it("accepts every digest", () => {
    fc.assert(fc.property(digests, (digest) => {
      expect(Digest.parse(digest)).toEqual(Either.right(digest))
      expect(`${Digest.algorithm(digest)}:${Digest.encoded(digest)}`).toBe(digest)
    }))
  })

  it.each(hostileTexts)("refuses $name quickly", ({ text }) => {
    expect(quickest(() => Digest.parse(text))).toBeLessThan(5)
    expect(Digest.is(text)).toBe(false)
  })
})

describe("schema", () => {
  it("accepts digests and explains why another text is invalid", () => {
    const decode = Schema.decodeUnknownSync(Digest.schema)
    expect(decode(`sha256:${hex(64)}`)).toBe(`sha256:${hex(64)}`)
    expect(() => decode("sha256:abc")).toThrow("sha256 is followed by 64 lower-case hexadecimal digits")
    expect(() => decode(1)).toThrow("Expected string")
  })
})

describe("verifiable", () => {
  const rows: ReadonlyArray<readonly [text: string, expected: Digest.Algorithm | undefined]> = [
    [`sha256:${hex(64)}`, "sha256"],
    [`sha512:${hex(128)}`, "sha512"],
    [`blake3:${hex(64)}`, undefined],
    [`sha256+b64u:${hex(43)}`, undefined],
    ["md5:d41d8cd98f00b204e9800998ecf8427e", undefined],
    ["sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709", undefined],
    ["constructor:0", undefined]
  ]
  it.each(rows)("%s: %s", (text, expected) => {
    expect(Digest.verifiable(Digest.make(text))).toBe(expected)
  })
})

describe("blake3", () => {
  const digest = Digest.make("blake3:af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262")

  it.effect("is refused until it is loaded, which is done once, when an operation needs it", () =>
    Effect.gen(function*() {
      const asked: Array<Digest.Algorithm | undefined> = []
      const { handle } = Registry.fromHandler((operation) =>
        Effect.suspend(() => {
          asked.push(Digest.verifiable(digest))
          return Effect.die(operation)
        })
      )
      for (const name of ["sha256", "blake3x:00", "blake3-tag", ""]) expect(Digest.load(name)).toBe(Answer.done)
      expect(() => Digest.fromBytes(new Uint8Array(), "blake3")).toThrow("run Digest.load first")
      expect(() => Digest.hasher("blake3")).toThrow("run Digest.load first")
      const repository = RepositoryName.make("a")
      yield* Effect.exit(handle(new Operation.ListTags({ repository })))
      yield* Effect.exit(handle(new Operation.ResolveBlob({ repository, digest })))
      expect(asked).toEqual([undefined, "blake3"])
      expect(Digest.load(digest)).toBe(Answer.done)
      expect(Digest.fromBytes(new Uint8Array(), "blake3")).toBe(digest)
      const hasher = Digest.hasher("blake3")
      expect([hasher.copy().digest(), hasher.digest()]).toEqual([digest, digest])
    }))

  it("is supported, loaded or not", () => {
    expect(Digest.isSupported(digest)).toBe(true)
    expect(Digest.isSupported(Digest.make("md5:00"))).toBe(false)
  })
})

describe("the digest of bytes", () => {
  // The examples of FIPS 180-4.
  const known: ReadonlyArray<readonly [text: string, algorithm: Digest.Algorithm, digest: string]> = [
    ["", "sha256", "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
    ["{}", "sha256", "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"],
    ["abc", "sha256", "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"],
    [
      "abc",
      "sha512",
      "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
    ]
  ]
  it.each(known)("of %j by %s", (text, algorithm, digest) => {
    const bytes = new TextEncoder().encode(text)
    expect(Digest.fromBytes(bytes, algorithm)).toBe(digest)
    expect(Digest.is(digest)).toBe(true)
  })

  it("is sha256 by default", () => {
    expect(Digest.fromBytes(new Uint8Array())).toBe(Digest.fromBytes(new Uint8Array(), "sha256"))
  })

  const pieces = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 6 })
  const algorithms = fc.constantFrom("sha256" as const, "sha512" as const)

  it("is the same for bytes in pieces, and for hashes that are not native", () => {
    fc.assert(fc.property(pieces, algorithms, (parts, algorithm) => {
      const whole = Buffer.concat(parts)
      const hasher = Digest.hasher(algorithm)
      const portable = hash.makePortable(algorithm)
      for (const part of parts) {
        hasher.update(part)
        portable.update(part)
      }
      const expected = `${algorithm}:${createHash(algorithm).update(whole).digest("hex")}`
      expect(hasher.digest()).toBe(expected)
      expect(`${algorithm}:${portable.hex()}`).toBe(expected)
      expect(Digest.fromBytes(whole, algorithm)).toBe(expected)
    }))
  })

  it.each(["sha256", "sha512"] as const)("does not change when bytes are reused after an update: %s", (algorithm) => {
    const buffer = new Uint8Array(100).fill(1)
    const expected = Digest.fromBytes(new Uint8Array([...buffer, ...new Uint8Array(100).fill(2)]), algorithm)
    const hasher = Digest.hasher(algorithm)
    const portable = hash.makePortable(algorithm)
    for (const value of [1, 2]) {
      buffer.fill(value)
      hasher.update(buffer)
      portable.update(buffer)
      buffer.fill(0)
    }
    expect(hasher.digest()).toBe(expected)
    expect(`${algorithm}:${portable.hex()}`).toBe(expected)
  })

  it("hashes only the bytes of a view", () => {
    const view = new Uint8Array(new TextEncoder().encode("xabcx").buffer, 1, 3)
    expect(Digest.fromBytes(view)).toBe(Digest.fromBytes(new TextEncoder().encode("abc")))
  })
})
