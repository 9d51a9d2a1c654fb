import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import * as fc from "fast-check"
import type { Descriptor } from "../src/Descriptor.js"
import * as Digest from "../src/Digest.js"
import * as Manifest from "../src/Manifest.js"
import * as MediaType from "../src/MediaType.js"
import { DigestInvalid, ManifestInvalid } from "../src/RegistryError.js"

const encode = (document: unknown): Uint8Array =>
  new TextEncoder().encode(typeof document === "string" ? document : JSON.stringify(document))

const parse = (mediaType: string, document: unknown) => Manifest.parse({ mediaType, bytes: encode(document) })

/** Why a document is refused, without the words that all refusals begin with. */
const refusal = (mediaType: string, document: unknown): string | undefined =>
  Either.match(parse(mediaType, document), {
    onLeft: (error) => {
      expect(error).toBeInstanceOf(ManifestInvalid)
      expect(error.message.startsWith("manifest invalid: ")).toBe(true)
      return error.message.slice("manifest invalid: ".length)
    },
    onRight: () => undefined
  })

const descriptor = (content: string, mediaType = "application/octet-stream"): Descriptor => ({
  mediaType,
  digest: Digest.fromBytes(encode(content)),
  size: content.length
})

const config = descriptor("{}", MediaType.imageConfig)
const layers = [descriptor("one", MediaType.layer), descriptor("two", MediaType.layerGzip)]
const child = descriptor("child", MediaType.image)
const subject = descriptor("subject", MediaType.image)
const annotations = { "org.example.key": "value", "": "empty" }
const platform = { architecture: "arm64", os: "linux", "os.version": "1", "os.features": ["a"], variant: "v8" }

/** A document of each kind with no more than it must have. */
const least: { readonly [mediaType: string]: object } = {
  [MediaType.image]: { schemaVersion: 2, config, layers },
  [MediaType.dockerImage]: { schemaVersion: 2, mediaType: MediaType.dockerImage, config, layers },
  [MediaType.index]: { schemaVersion: 2, manifests: [child] },
  [MediaType.dockerList]: { schemaVersion: 2, mediaType: MediaType.dockerList, manifests: [child] },
  [MediaType.artifact]: { mediaType: MediaType.artifact, blobs: layers }
}

const nothingMore = { artifactType: undefined, subject: undefined, annotations: undefined }

describe("Manifest.make", () => {
  const bytes = encode(least[MediaType.image])
  const sha256 = Digest.fromBytes(bytes)
  const sha512 = Digest.fromBytes(bytes, "sha512")

  it.each([
    { name: "sha256 where no digest is given", given: undefined, digest: sha256 },
    { name: "the sha256 given", given: sha256, digest: sha256 },
    { name: "the sha512 given", given: sha512, digest: sha512 }
  ])("describes the bytes by $name", ({ digest, given }) => {
    const manifest = Either.getOrThrow(Manifest.make({ mediaType: MediaType.image, bytes, digest: given }))
    expect(manifest.bytes).toBe(bytes)
    expect(manifest.descriptor).toEqual({ mediaType: MediaType.image, digest, size: bytes.byteLength })
  })

  it.each([
    {
      name: "that of other bytes",
      digest: Digest.fromBytes(encode("other")),
      message: `${Digest.fromBytes(encode("other"))}: content does not match its digest, it has ${sha256}`
    },
    {
      name: "of an algorithm that cannot be checked",
      digest: Digest.make("md5:00"),
      message: "md5:00: digest algorithm \"md5\" is not supported"
    }
  ])("refuses a digest $name", ({ digest, message }) => {
    const error = Either.getOrThrow(Either.flip(Manifest.make({ mediaType: MediaType.image, bytes, digest })))
    expect(error).toBeInstanceOf(DigestInvalid)
    expect(error.message).toBe(message)
  })
})

describe("Manifest.parse reads", () => {
  const more = { artifactType: "application/x", subject, annotations }

  it.each([
    {
      name: "an image",
      mediaType: MediaType.image,
      document: { ...least[MediaType.image], mediaType: MediaType.image, ...more },
      expected: new Manifest.Image({ mediaType: MediaType.image, config, layers, ...more })
    },
    {
      name: "an image with no more than it must have",
      mediaType: MediaType.image,
      document: { config },
      expected: new Manifest.Image({ mediaType: MediaType.image, config, layers: [], ...nothingMore })
    },
    {
      name: "an image whose absent members are null",
      mediaType: MediaType.image,
      document: { config, layers: null, subject: null, annotations: null },
      expected: new Manifest.Image({ mediaType: MediaType.image, config, layers: [], ...nothingMore })
    },
    {
      name: "an index",
      mediaType: MediaType.index,
      document: { ...least[MediaType.index], ...more, manifests: [{ ...child, platform }] },
      expected: new Manifest.Index({ mediaType: MediaType.index, manifests: [{ ...child, platform }], ...more })
    },
    {
      name: "an empty index",
      mediaType: MediaType.index,
      document: { schemaVersion: 2, manifests: [] },
      expected: new Manifest.Index({ mediaType: MediaType.index, manifests: [], ...nothingMore })
    },
    {
      name: "an index whose list is null",
      mediaType: MediaType.index,
      document: { schemaVersion: 2, manifests: null },
      expected: new Manifest.Index({ mediaType: MediaType.index, manifests: [], ...nothingMore })
    },
    {
      name: "an artifact",
      mediaType: MediaType.artifact,
      document: { ...least[MediaType.artifact], ...more },
      expected: new Manifest.Artifact({ mediaType: MediaType.artifact, blobs: layers, ...more })
    },
    {
      name: "an artifact without blobs",
      mediaType: MediaType.artifact,
      document: { mediaType: MediaType.artifact },
      expected: new Manifest.Artifact({ mediaType: MediaType.artifact, blobs: [], ...nothingMore })
    },
    {
      name: "Docker's schema 2 manifest",
      mediaType: MediaType.dockerImage,
      document: least[MediaType.dockerImage],
      expected: new Manifest.Image({ mediaType: MediaType.dockerImage, config, layers, ...nothingMore })
    },
    {
      name: "Docker's manifest list",
      mediaType: MediaType.dockerList,
      document: least[MediaType.dockerList],
      expected: new Manifest.Index({ mediaType: MediaType.dockerList, manifests: [child], ...nothingMore })
    },
    {
      name: "a media type with parameters, in upper case",
      mediaType: `${MediaType.index.toUpperCase()}; charset=utf-8`,
      document: { manifests: [], mediaType: MediaType.index },
      expected: new Manifest.Index({ mediaType: MediaType.index, manifests: [], ...nothingMore })
    },
    {
      name: "an empty mediaType as none",
      mediaType: MediaType.index,
      document: { manifests: [], mediaType: "" },
      expected: new Manifest.Index({ mediaType: MediaType.index, manifests: [], ...nothingMore })
    },
    {
      name: "past members of one's own",
      mediaType: MediaType.index,
      document: { manifests: [], "org.example.custom": { layers: [1] }, customs: [{}] },
      expected: new Manifest.Index({ mediaType: MediaType.index, manifests: [], ...nothingMore })
    },
    {
      name: "past a byte order mark",
      mediaType: MediaType.index,
      document: `\ufeff{"manifests":[]}`,
      expected: new Manifest.Index({ mediaType: MediaType.index, manifests: [], ...nothingMore })
    },
    {
      name: "the last of two members of one name",
      mediaType: MediaType.index,
      document: `{"manifests":[{}],"manifests":[${JSON.stringify(child)}]}`,
      expected: new Manifest.Index({ mediaType: MediaType.index, manifests: [child], ...nothingMore })
    },
    {
      name: "nothing of another media type",
      mediaType: "Application/Vnd.Example+json; v=1",
      document: "this is no JSON",
      expected: new Manifest.Unknown({ mediaType: "application/vnd.example+json" })
    }
  ])("$name", ({ document, expected, mediaType }) => {
    expect(Either.getOrThrow(parse(mediaType, document))).toStrictEqual(expected)
  })

  it("a good document after a bad one", () => {
    expect(Either.isLeft(Manifest.parse({ mediaType: MediaType.index, bytes: Uint8Array.of(0x7b, 0xe2, 0x82) }))).toBe(
      true
    )
    expect(Either.isRight(parse(MediaType.index, { manifests: [] }))).toBe(true)
  })

  it("names from a prototype as any other", () => {
    const document =
      `{"manifests":[],"__proto__":{"artifactType":"evil"},"annotations":{"__proto__":"x","toString":"y"}}`
    const index = Either.getOrThrow(parse(MediaType.index, document))
    expect(index).toMatchObject({ artifactType: undefined, annotations: { toString: "y" } })
    expect(({} as { artifactType?: string }).artifactType).toBeUndefined()
  })
})

describe("Manifest.parse refuses", () => {
  it.each([
    { name: "no bytes", document: "", reason: "it is not JSON in UTF-8" },
    { name: "what is no JSON", document: "{manifests:[]}", reason: "it is not JSON in UTF-8" },
    { name: "more than one value", document: "{}{}", reason: "it is not JSON in UTF-8" },
    { name: "null", document: "null", reason: "it is not a JSON object" },
    { name: "a list", document: "[]", reason: "it is not a JSON object" },
    { name: "text", document: "\"{}\"", reason: "it is not a JSON object" },
    { name: "another schema version", document: { schemaVersion: 1, manifests: [] }, reason: "schemaVersion is not 2" },
    { name: "no list", document: {}, reason: "manifests is missing" },
    { name: "a list that is none", document: { manifests: {} }, reason: "manifests is not an array" },
    { name: "an entry that is none", document: { manifests: [child, 1] }, reason: "manifests.1 is not an object" },
    { name: "an entry without type", document: { manifests: [{}] }, reason: "manifests.0.mediaType is missing" },
    {
      name: "an annotation that is no text",
      document: { manifests: [], annotations: { a: 1 } },
      reason: "annotations.a is not a string"
    },
    { name: "a subject that is none", document: { manifests: [], subject: "x" }, reason: "subject is not an object" },
    {
      name: "a media type that is none",
      document: { manifests: [], mediaType: 1 },
      reason: "mediaType is not a string"
    },
    {
      name: "a media type that is another",
      document: { manifests: [], mediaType: MediaType.image },
      reason: `its mediaType is "${MediaType.image}", but it was sent as "${MediaType.index}"`
    },
    {
      name: "a media type that would write on a terminal",
      document: { manifests: [], mediaType: "\u001b[2J" },
      reason: `its mediaType is "\\u001b[2J", but it was sent as "${MediaType.index}"`
    }
  ])("$name", ({ document, reason }) => {
    expect(refusal(MediaType.index, document)).toBe(reason)
  })

  it("text that is not UTF-8", () => {
    const bytes = Buffer.from(`{"manifests":[],"annotations":{"a":"\xff"}}`, "latin1")
    expect(Either.isLeft(Manifest.parse({ mediaType: MediaType.index, bytes }))).toBe(true)
  })

  it("an image without config", () => {
    expect(refusal(MediaType.image, { schemaVersion: 2, layers })).toBe("config is missing")
  })

  describe("a document that could be read as two kinds (CVE-2021-41190)", () => {
    const members: { readonly [member: string]: unknown } = {
      config,
      layers,
      manifests: [child],
      blobs: layers,
      fsLayers: []
    }

    it.each([
      { mediaType: MediaType.image, foreign: ["manifests", "blobs", "fsLayers"] },
      { mediaType: MediaType.dockerImage, foreign: ["manifests", "blobs", "fsLayers"] },
      { mediaType: MediaType.index, foreign: ["config", "layers", "blobs", "fsLayers"] },
      { mediaType: MediaType.dockerList, foreign: ["config", "layers", "blobs", "fsLayers"] },
      { mediaType: MediaType.artifact, foreign: ["config", "layers", "manifests", "fsLayers"] }
    ])("sent as $mediaType", ({ foreign, mediaType }) => {
      for (const member of foreign) {
        for (const value of [members[member], null, []]) {
          expect(refusal(mediaType, { ...least[mediaType], [member]: value })).toBe(
            `one of type ${mediaType} may not have "${member}"`
          )
        }
      }
    })

    it.each([
      { name: "sent as an index, says image", sent: MediaType.index, says: MediaType.image },
      { name: "sent as an image, says index", sent: MediaType.image, says: MediaType.index },
      { name: "sent as a list, says index", sent: MediaType.dockerList, says: MediaType.index },
      { name: "sent as an index, says it in upper case", sent: MediaType.index, says: MediaType.index.toUpperCase() }
    ])("$name", ({ says, sent }) => {
      expect(refusal(sent, { ...least[sent], mediaType: says })).toBe(
        `its mediaType is "${says}", but it was sent as "${sent}"`
      )
    })

    it.each([
      { name: "a list", document: { manifests: [], Layers: [] }, found: "Layers", read: "layers" },
      { name: "a second list", document: { manifests: [child], MANIFESTS: [] }, found: "MANIFESTS", read: "manifests" },
      {
        name: "a type",
        document: { manifests: [], mediatype: MediaType.image },
        found: "mediatype",
        read: "mediaType"
      },
      {
        name: "a letter that folds",
        document: { manifests: [], "layer\u017f": [] },
        found: "layer\u017f",
        read: "layers"
      },
      {
        name: "an entry's digest",
        document: { manifests: [{ ...child, Digest: subject.digest }] },
        found: "Digest",
        read: "digest"
      },
      {
        name: "the subject's digest",
        document: { manifests: [], subject: { ...subject, DIGEST: child.digest } },
        found: "DIGEST",
        read: "digest"
      }
    ])("by those who do not tell the case of names: $name", ({ document, found, read }) => {
      expect(refusal(MediaType.index, document)).toBe(`"${found}" would be read by others as "${read}"`)
    })
  })

  it.each([
    { name: "2^53", size: "9007199254740992" },
    { name: "2^53 + 1", size: "9007199254740993" },
    { name: "2^62", size: "4611686018427387904" },
    { name: "1e30", size: "1e30" },
    { name: "infinity", size: "1e999" },
    { name: "-1", size: "-1" },
    { name: "1.5", size: "1.5" },
    { name: "text", size: "\"5\"" },
    { name: "null", size: "null" },
    { name: "a list", size: "[5]" }
  ])("a size of $name, wherever it is", ({ size }) => {
    const entry = `{"mediaType":"m","digest":"${child.digest}","size":${size}}`
    for (
      const [mediaType, document, at] of [
        [MediaType.index, `{"manifests":[${entry}]}`, "manifests.0.size"],
        [MediaType.index, `{"manifests":[],"subject":${entry}}`, "subject.size"],
        [MediaType.image, `{"config":${entry},"layers":[]}`, "config.size"],
        [MediaType.image, `{"config":${JSON.stringify(config)},"layers":[${entry}]}`, "layers.0.size"],
        [MediaType.artifact, `{"blobs":[${entry}]}`, "blobs.0.size"]
      ] as const
    ) {
      expect(refusal(mediaType, document)?.startsWith(at)).toBe(true)
    }
  })

  it("the largest size that a number tells apart is none of them", () => {
    const entry = { ...child, size: Number.MAX_SAFE_INTEGER }
    expect(refusal(MediaType.index, { manifests: [entry] })).toBeUndefined()
  })

  it.each([
    "sha256:../../etc/passwd",
    "sha256:",
    `sha256:${"A".repeat(64)}`,
    `sha256:${"a".repeat(63)}`,
    `sha256:${"a".repeat(64)}\n`,
    "../../x",
    "",
    "sha256",
    "md5:../x"
  ])("the digest %j, wherever it is", (digest) => {
    const entry = { ...child, digest }
    expect(refusal(MediaType.index, { manifests: [entry] })).toMatch(/^manifests\.0\.digest: /)
    expect(refusal(MediaType.index, { manifests: [], subject: entry })).toMatch(/^subject\.digest: /)
    expect(refusal(MediaType.image, { config: entry, layers: [] })).toMatch(/^config\.digest: /)
    expect(refusal(MediaType.image, { config, layers: [entry] })).toMatch(/^layers\.0\.digest: /)
    expect(refusal(MediaType.artifact, { blobs: [entry] })).toMatch(/^blobs\.0\.digest: /)
  })

  it("more descriptors than it may hold", () => {
    const digest = child.digest
    const entries = (count: number) =>
      `{"manifests":[${Array(count).fill(`{"mediaType":"","size":0,"digest":"${digest}"}`).join(",")}]}`
    expect(refusal(MediaType.index, entries(Manifest.maxDescriptors + 1))).toBe("it holds more than 65536 descriptors")
  })

  const cap = 4 * 1024 * 1024
  const fill = (before: string, piece: string, after: string) =>
    before + piece.repeat(Math.floor((cap - before.length - after.length) / piece.length)) + after
  const nest = (before: string, open: string, close: string, after: string) => {
    const depth = Math.floor((cap - before.length - after.length) / (open.length + close.length))
    return before + open.repeat(depth) + close.repeat(depth) + after
  }

  it.each([
    { name: "nothing but lists in lists", document: nest("", "[", "]", "") },
    { name: "nothing but objects in objects", document: nest("", "{\"a\":", "}", "").replace(":}", ":0}") },
    { name: "lists in lists, as the list", document: nest("{\"manifests\":", "[", "]", "}") },
    { name: "lists in lists, as an entry", document: nest("{\"manifests\":[", "[", "]", "]}") },
    {
      name: "lists in lists, as a size",
      document: nest("{\"manifests\":[{\"mediaType\":\"m\",\"size\":", "[", "]", "}]}")
    },
    { name: "lists in lists, as a type", document: nest("{\"manifests\":[],\"mediaType\":", "[", "]", "}") },
    {
      name: "lists in lists, as an annotation",
      document: nest("{\"manifests\":[],\"annotations\":{\"a\":", "[", "]", "}}")
    },
    { name: "lists in lists, as the subject", document: nest("{\"manifests\":[],\"subject\":", "[", "]", "}") },
    { name: "a list of millions", document: fill("{\"manifests\":[", "0,", "0]}") },
    { name: "a list of a million objects", document: fill("{\"manifests\":[", "{},", "{}]}") },
    { name: "a text where a list should be", document: fill("{\"manifests\":\"", "x", "\"}") },
    {
      name: "a digest as long as that",
      document: fill("{\"manifests\":[{\"mediaType\":\"m\",\"size\":1,\"digest\":\"", "x", "\"}]}")
    },
    { name: "another media type as long as that", document: fill("{\"manifests\":[],\"mediaType\":\"", "x", "\"}") },
    { name: "a number as long as that", document: fill("{\"manifests\":[],\"schemaVersion\":", "1", "}") }
  ])("4 MiB of $name, in a few words", ({ document }) => {
    const { reason } = Either.getOrThrow(Either.flip(parse(MediaType.index, document)))
    expect(reason?.length).toBeLessThan(200)
  })

  it.each([
    { name: "lists in lists, where nobody looks", document: nest("{\"manifests\":[],\"x\":", "[", "]", "}") },
    { name: "one name over and over", document: fill("{", "\"manifests\":[],", "\"manifests\":[]}") },
    {
      name: "descriptors",
      document: fill("{\"manifests\":[", `${JSON.stringify(child)},`, `${JSON.stringify(child)}]}`)
    }
  ])("no 4 MiB of $name", ({ document }) => {
    expect(refusal(MediaType.index, document)).toBeUndefined()
  })

  it("anything else without a throw", () =>
    fc.assert(
      fc.property(
        fc.constantFrom(...MediaType.manifests),
        fc.dictionary(
          fc.constantFrom(
            "schemaVersion",
            "mediaType",
            "config",
            "layers",
            "manifests",
            "blobs",
            "subject",
            "annotations"
          ),
          fc.oneof(fc.jsonValue(), fc.constant(child), fc.array(fc.constant(child)))
        ),
        (mediaType, document) => {
          const read = Either.merge(parse(mediaType, document))
          expect(read instanceof ManifestInvalid || read.mediaType === mediaType).toBe(true)
        }
      )
    ))
})

describe("Manifest.references", () => {
  it.each([
    {
      name: "an image",
      mediaType: MediaType.image,
      document: { config, layers, subject },
      links: [["config", config], ["blob", layers[0]], ["blob", layers[1]], ["subject", subject]]
    },
    { name: "an image without layers", mediaType: MediaType.image, document: { config }, links: [["config", config]] },
    {
      name: "an index",
      mediaType: MediaType.index,
      document: { manifests: [child, config], subject },
      links: [["manifest", child], ["manifest", config], ["subject", subject]]
    },
    {
      name: "an artifact",
      mediaType: MediaType.artifact,
      document: { blobs: layers, subject },
      links: [["blob", layers[0]], ["blob", layers[1]], ["subject", subject]]
    },
    { name: "a manifest of another type", mediaType: "application/x", document: { config, layers, subject }, links: [] }
  ])("of $name, in its order, the subject last", ({ document, links, mediaType }) => {
    const found = Manifest.references(Either.getOrThrow(parse(mediaType, document)))
    expect(found.map((link) => [link.kind, link.descriptor])).toEqual(links)
  })
})

describe("Manifest.referrer, by the rules of the referrers list", () => {
  const own = "application/vnd.example.own"

  it.each([
    {
      name: "an image's own type",
      mediaType: MediaType.image,
      document: { config, subject, artifactType: own },
      artifactType: own
    },
    {
      name: "an image's config's type where it has none",
      mediaType: MediaType.image,
      document: { config, subject },
      artifactType: MediaType.imageConfig
    },
    {
      name: "an image's config's type where its own is empty",
      mediaType: MediaType.image,
      document: { config, subject, artifactType: "" },
      artifactType: MediaType.imageConfig
    },
    {
      name: "an index's own type",
      mediaType: MediaType.index,
      document: { manifests: [], subject, artifactType: own },
      artifactType: own
    },
    {
      name: "no type of an index that has none",
      mediaType: MediaType.index,
      document: { manifests: [child], subject },
      artifactType: undefined
    },
    {
      name: "an artifact's own type",
      mediaType: MediaType.artifact,
      document: { subject, artifactType: own },
      artifactType: own
    },
    {
      name: "no type of an artifact that has none",
      mediaType: MediaType.artifact,
      document: { subject },
      artifactType: undefined
    }
  ])("has $name, and all annotations", ({ artifactType, document, mediaType }) => {
    for (const given of [undefined, {}, annotations]) {
      const manifest = Either.getOrThrow(
        Manifest.make({ mediaType, bytes: encode({ ...document, annotations: given }) })
      )
      const read = Either.getOrThrow(Manifest.parse({ mediaType, bytes: manifest.bytes }))
      expect(Manifest.artifactType(read)).toBe(artifactType)
      expect(Manifest.referrer(manifest.descriptor, read)).toStrictEqual({
        ...manifest.descriptor,
        ...(artifactType === undefined ? {} : { artifactType }),
        ...(given === undefined ? {} : { annotations: given })
      })
    }
  })

  it("keeps the smallest annotations, as many as fit into a list (T59)", () => {
    const annotations = {
      large: "x".repeat(60_000),
      "org.example.name": "signature",
      larger: "\u00e9".repeat(60_000),
      text: "y".repeat(5000)
    }
    const document = Either.getOrThrow(parse(MediaType.index, { manifests: [], subject, annotations }))
    expect(Manifest.referrer(child, document).annotations).toStrictEqual({
      large: annotations.large,
      "org.example.name": "signature",
      text: annotations.text
    })
  })

  it("has nothing of what a descriptor says besides", () => {
    const document = Either.getOrThrow(parse(MediaType.index, { manifests: [], subject }))
    expect(Manifest.referrer({ ...child, platform, urls: ["https://example/"], data: "e30=" }, document)).toStrictEqual(
      child
    )
  })

  it("has no type and no annotations where the manifest is not understood", () => {
    const document = Either.getOrThrow(parse("application/x", {}))
    expect(Manifest.artifactType(document)).toBeUndefined()
    expect(Manifest.referrer(child, document)).toStrictEqual(child)
  })
})
