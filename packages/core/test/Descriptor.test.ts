import { describe, expect, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import * as fc from "fast-check"
import * as Descriptor from "../src/Descriptor.js"
import * as Digest from "../src/Digest.js"
import { digests } from "./texts.js"

const digest = Digest.fromBytes(new Uint8Array())
const plain = { mediaType: "application/octet-stream", digest, size: 0 }

const decode = Schema.decodeUnknownSync(Descriptor.schema)
const encode = Schema.encodeSync(Descriptor.schema)

describe("schema", () => {
  const full: Descriptor.Descriptor = {
    ...plain,
    urls: ["https://example.com/blob"],
    annotations: { "org.opencontainers.image.title": "a" },
    data: "e30=",
    artifactType: "application/vnd.example",
    platform: { architecture: "arm", os: "linux", "os.version": "1", "os.features": ["a"], variant: "v7" }
  }

  const taken: ReadonlyArray<readonly [name: string, given: unknown, expected: Descriptor.Descriptor]> = [
    ["what must be there", plain, plain],
    ["what may be there", full, full],
    ["fields that are not known", { ...plain, other: 1 }, plain],
    ["empty lists", { ...plain, urls: [], annotations: {} }, { ...plain, urls: [], annotations: {} }],
    [
      "null for nothing",
      { ...plain, urls: null, annotations: null, data: null, artifactType: null, platform: null },
      plain
    ],
    [
      "null for nothing in a platform",
      { ...plain, platform: { architecture: "arm", os: "linux", variant: null, "os.features": null } },
      { ...plain, platform: { architecture: "arm", os: "linux" } }
    ],
    ["the largest size", { ...plain, size: Number.MAX_SAFE_INTEGER }, { ...plain, size: Number.MAX_SAFE_INTEGER }],
    ["a digest that cannot be checked", { ...plain, digest: "md5:00" }, { ...plain, digest: Digest.make("md5:00") }]
  ]
  it.each(taken)("accepts %s", (_, given, expected) => {
    expect(decode(given)).toEqual(expected)
    expect(encode(decode(given))).toEqual(expected)
  })

  const { digest: _digest, ...withoutDigest } = plain
  const { size: _size, ...withoutSize } = plain
  const { mediaType: _mediaType, ...withoutMediaType } = plain
  const refused: ReadonlyArray<readonly [name: string, given: unknown, reason: string]> = [
    ["nothing", null, "actual null"],
    ["a text", "{}", "actual \"{}\""],
    ["no digest", withoutDigest, "is missing"],
    ["no size", withoutSize, "is missing"],
    ["no media type", withoutMediaType, "is missing"],
    ["null for what must be there", { ...plain, mediaType: null }, "actual null"],
    ["a digest that is none", { ...plain, digest: "sha256:../../x" }, "sha256 is followed by 64"],
    ["a size below zero", { ...plain, size: -1 }, "actual -1"],
    ["a size past what a number can count", { ...plain, size: 2 ** 53 }, "actual 9007199254740992"],
    ["a size of 2^62", { ...plain, size: 2 ** 62 }, "actual 4611686018427388000"],
    ["a size that no one has", { ...plain, size: 1e30 }, "actual 1e+30"],
    ["a size with a fraction", { ...plain, size: 1.5 }, "actual 1.5"],
    ["a size in words", { ...plain, size: "5" }, "actual \"5\""],
    ["a size that is not a number", { ...plain, size: NaN }, "actual NaN"],
    ["annotations that are not text", { ...plain, annotations: { a: 1 } }, "[\"a\"]"],
    ["urls that are not a list", { ...plain, urls: "https://example.com" }, "[\"urls\"]"],
    ["a platform without its system", { ...plain, platform: { architecture: "arm" } }, "[\"os\"]"]
  ]
  it.each(refused)("refuses %s", (_, given, reason) => {
    expect(() => decode(given)).toThrow(reason)
  })

  it("treats keys of a prototype like other keys", () => {
    const given = JSON.parse(
      `{"mediaType":"a/b","digest":"${digest}","size":0,"annotations":{"__proto__":"x","constructor":"y"}}`
    )
    const { annotations } = decode(given)
    expect(Object.getPrototypeOf(annotations)).toBe(Object.prototype)
    expect(annotations!["constructor"]).toBe("y")
  })

  it("decodes what it encodes", () => {
    const sizes = fc.nat(Number.MAX_SAFE_INTEGER)
    const texts = fc.option(fc.string(), { nil: undefined })
    const annotations = fc.option(fc.dictionary(fc.string(), fc.string(), { noNullPrototype: true }), {
      nil: undefined
    })
    fc.assert(fc.property(fc.string(), digests, sizes, texts, annotations, (mediaType, digest, size, data, more) => {
      fc.pre(more === undefined || !Object.hasOwn(more, "__proto__"))
      const descriptor = {
        mediaType,
        digest,
        size,
        ...(data === undefined ? {} : { data }),
        ...(more === undefined ? {} : { annotations: more })
      }
      expect(decode(JSON.parse(JSON.stringify(encode(descriptor))))).toEqual(descriptor)
    }))
  })
})

describe("fromBytes", () => {
  const bytes = new TextEncoder().encode("{}")

  it("returns the media type, the digest and the size of bytes", () => {
    expect(Descriptor.fromBytes(bytes, "application/vnd.oci.empty.v1+json")).toEqual({
      mediaType: "application/vnd.oci.empty.v1+json",
      digest: "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
      size: 2
    })
  })

  it("uses application/octet-stream by default", () => {
    expect(Descriptor.fromBytes(bytes).mediaType).toBe(Descriptor.octetStream)
  })

  it("accepts another algorithm", () => {
    expect(Descriptor.fromBytes(bytes, "a/b", "sha512").digest).toBe(Digest.fromBytes(bytes, "sha512"))
  })
})
