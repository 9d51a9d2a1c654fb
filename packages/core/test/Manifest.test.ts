import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import * as fc from "fast-check"
import type { Descriptor } from "../src/Descriptor.js"
import * as Digest from "../src/Digest.js"
import * as Manifest from "../src/Manifest.js"
import * as MediaType from "../src/MediaType.js"
import { DigestInvalid, ManifestInvalid, Unsupported } from "../src/RegistryError.js"
import { active } from "./mediaTypes.js"

const encode = (document: unknown): Uint8Array =>
  new TextEncoder().encode(typeof document === "string" ? document : JSON.stringify(document))

const parse = (mediaType: string, document: unknown) => Manifest.parse({ mediaType, bytes: encode(document) })

/** Returns why a document is refused, without the prefix that all reasons share. */
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

/** A document of each kind with only the required members. */
const least: { readonly [mediaType: string]: object } = {
  [MediaType.image]: { schemaVersion: 2, config, layers },
  [MediaType.dockerImage]: { schemaVersion: 2, mediaType: MediaType.dockerImage, config, layers },
  [MediaType.index]: { schemaVersion: 2, manifests: [child] },
  [MediaType.dockerList]: { schemaVersion: 2, mediaType: MediaType.dockerList, manifests: [child] },
  [MediaType.artifact]: { mediaType: MediaType.artifact, blobs: layers }
}

const annotationsOf = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, at) => [`k${at}`, ""]))

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
      name: "the digest of other bytes",
      digest: Digest.fromBytes(encode("other")),
      message: `${Digest.fromBytes(encode("other"))}: content does not match its digest, it has ${sha256}`
    },
    {
      name: "a digest of an unsupported algorithm",
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
      name: "an image with only the required members",
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
      name: "an empty mediaType like an absent one",
      mediaType: MediaType.index,
      document: { manifests: [], mediaType: "" },
      expected: new Manifest.Index({ mediaType: MediaType.index, manifests: [], ...nothingMore })
    },
    {
      name: "an index with members that the spec does not define",
      mediaType: MediaType.index,
      document: { manifests: [], "org.example.custom": { layers: [1] }, customs: [{}] },
      expected: new Manifest.Index({ mediaType: MediaType.index, manifests: [], ...nothingMore })
    },
    {
      name: "no content of an unknown media type",
      mediaType: "Application/Vnd.Example+json; v=1",
      document: "this is not JSON",
      expected: new Manifest.Unknown({ mediaType: "application/vnd.example+json", lists: [] })
    }
  ])("$name", ({ document, expected, mediaType }) => {
    expect(Either.getOrThrow(parse(mediaType, document))).toStrictEqual(expected)
  })

  it("a valid document after an invalid one", () => {
    expect(Either.isLeft(Manifest.parse({ mediaType: MediaType.index, bytes: Uint8Array.of(0x7b, 0xe2, 0x82) }))).toBe(
      true
    )
    expect(Either.isRight(parse(MediaType.index, { manifests: [] }))).toBe(true)
  })

  it("members called `__proto__` and `toString` without changing any prototype", () => {
    const document =
      `{"manifests":[],"__proto__":{"artifactType":"evil"},"annotations":{"__proto__":"x","toString":"y"}}`
    const index = Either.getOrThrow(parse(MediaType.index, document))
    expect(index).toMatchObject({ artifactType: undefined, annotations: { toString: "y" } })
    expect(({} as { artifactType?: string }).artifactType).toBeUndefined()
  })
})

describe("Manifest.parse refuses", () => {
  it.each([
    { name: "no bytes", document: "", reason: "it is not a JSON object in UTF-8" },
    { name: "invalid JSON", document: "{manifests:[]}", reason: "it is not a JSON object in UTF-8" },
    { name: "more than one value", document: "{}{}", reason: "it is not a JSON object in UTF-8" },
    { name: "null", document: "null", reason: "it is not a JSON object in UTF-8" },
    { name: "a list", document: "[]", reason: "it is not a JSON object in UTF-8" },
    { name: "text", document: "\"{}\"", reason: "it is not a JSON object in UTF-8" },
    { name: "another schema version", document: { schemaVersion: 1, manifests: [] }, reason: "schemaVersion is not 2" },
    { name: "no list", document: {}, reason: "manifests is missing" },
    { name: "a list that is an object", document: { manifests: {} }, reason: "manifests is not an array" },
    { name: "an entry that is a number", document: { manifests: [child, 1] }, reason: "manifests.1 is not an object" },
    { name: "an entry without type", document: { manifests: [{}] }, reason: "manifests.0.mediaType is missing" },
    {
      name: "an annotation that is not text",
      document: { manifests: [], annotations: { a: 1 } },
      reason: "annotations.a is not a string"
    },
    { name: "a subject that is text", document: { manifests: [], subject: "x" }, reason: "subject is not an object" },
    {
      name: "a media type that is a number",
      document: { manifests: [], mediaType: 1 },
      reason: "mediaType is not a string"
    },
    {
      name: "the media type of another kind of manifest",
      document: { manifests: [], mediaType: MediaType.image },
      reason: `its mediaType is "${MediaType.image}", but it was sent as "${MediaType.index}"`
    },
    {
      name: "a media type with control characters",
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
      { name: "sent as an index, says index in upper case", sent: MediaType.index, says: MediaType.index.toUpperCase() }
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
        name: "a letter that some programs take for s",
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

  it("but not the largest safe integer as a size", () => {
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

  it.each([
    { name: "layers", of: (count: number) => ({ config, layers: Array(count).fill(layers[0]) }) },
    { name: "annotations", of: (count: number) => ({ config, annotations: annotationsOf(count) }) },
    {
      name: "annotations of descriptors, descriptors included",
      of: (count: number) => ({ config, layers: [{ ...layers[0], annotations: annotationsOf(count - 1) }] })
    },
    {
      name: "layers, annotations, and annotations of descriptors together",
      of: (count: number) => ({
        config: { ...config, annotations: annotationsOf(3_000) },
        annotations: annotationsOf(3_000),
        layers: Array(count - 6_000).fill(layers[0])
      })
    }
  ])("more entries than it may have: $name", ({ of }) => {
    expect(refusal(MediaType.image, of(Manifest.maxEntries))).toBeUndefined()
    expect(refusal(MediaType.image, of(Manifest.maxEntries + 1))).toBe(
      "it has more than 10000 entries: descriptors and annotations"
    )
  })

  it("hundreds of thousands of annotations before they are parsed", () => {
    const annotations = Array.from({ length: 400_000 }, (_, at) => `"${at}":""`).join()
    expect(refusal(MediaType.image, `{"annotations":{${annotations}}}`)).toBe("its JSON holds more than 200000 values")
  })

  const cap = 4 * 1024 * 1024
  const fill = (before: string, piece: string, after: string) =>
    before + piece.repeat(Math.floor((cap - before.length - after.length) / piece.length)) + after
  const nest = (before: string, open: string, close: string, after: string) => {
    const depth = Math.floor((cap - before.length - after.length) / (open.length + close.length))
    return before + open.repeat(depth) + close.repeat(depth) + after
  }

  it.each([
    { name: "only nested lists", document: nest("", "[", "]", "") },
    { name: "only nested objects", document: nest("", "{\"a\":", "}", "").replace(":}", ":0}") },
    { name: "nested lists, as the list", document: nest("{\"manifests\":", "[", "]", "}") },
    { name: "nested lists, as an entry", document: nest("{\"manifests\":[", "[", "]", "]}") },
    {
      name: "nested lists, as a size",
      document: nest("{\"manifests\":[{\"mediaType\":\"m\",\"size\":", "[", "]", "}]}")
    },
    { name: "nested lists, as a type", document: nest("{\"manifests\":[],\"mediaType\":", "[", "]", "}") },
    {
      name: "nested lists, as an annotation",
      document: nest("{\"manifests\":[],\"annotations\":{\"a\":", "[", "]", "}}")
    },
    { name: "nested lists, as the subject", document: nest("{\"manifests\":[],\"subject\":", "[", "]", "}") },
    { name: "a list of millions of numbers", document: fill("{\"manifests\":[", "0,", "0]}") },
    { name: "a list of a million objects", document: fill("{\"manifests\":[", "{},", "{}]}") },
    { name: "a text where a list should be", document: fill("{\"manifests\":\"", "x", "\"}") },
    {
      name: "a digest of that length",
      document: fill("{\"manifests\":[{\"mediaType\":\"m\",\"size\":1,\"digest\":\"", "x", "\"}]}")
    },
    { name: "another media type of that length", document: fill("{\"manifests\":[],\"mediaType\":\"", "x", "\"}") },
    { name: "a number of that length", document: fill("{\"manifests\":[],\"schemaVersion\":", "1", "}") }
  ])("4 MiB of $name, in a few words", ({ document }) => {
    const { reason } = Either.getOrThrow(Either.flip(parse(MediaType.index, document)))
    expect(reason?.length).toBeLessThan(200)
  })

  it.each([
    { name: "nested lists, in an unknown member", document: nest("{\"manifests\":[],\"x\":", "[", "]", "}") },
    { name: "one name many times", document: fill("{", "\"manifests\":[],", "\"manifests\":[]}") }
  ])("4 MiB of $name, before they are parsed", ({ document }) => {
    expect(refusal(MediaType.index, document)).toBe("its JSON holds more than 200000 values")
  })

  it("JSON that is nested deeper than programs read it", () => {
    const nested = (depth: number) => `{"manifests":[],"x":${"[".repeat(depth - 1)}${"]".repeat(depth - 1)}}`
    expect(refusal(MediaType.index, nested(1000))).toBeUndefined()
    expect(refusal(MediaType.index, nested(1001))).toBe("its JSON is nested more than 1000 deep")
  })

  it("a byte order mark, which some programs skip", () => {
    const reason = "it begins with a byte order mark, which JSON may not have"
    expect(refusal(MediaType.index, `\ufeff{"manifests":[]}`)).toBe(reason)
    expect(refusal("application/vnd.example+json", `\ufeff{}`)).toBe(reason)
    expect(refusal("application/vnd.example", "\ufeffno JSON")).toBeUndefined()
  })

  it.each([
    { name: "of the document", document: `{"manifests":[{}],"manifests":[]}` },
    { name: "of the document, with one name escaped", document: `{"manifests":[],"manifest\\u0073":[]}` },
    { name: "of a descriptor", document: `{"manifests":[{"digest":"${child.digest}","digest":"${subject.digest}"}]}` },
    { name: "of annotations", document: `{"manifests":[],"annotations":{"a":"","a":""}}` },
    { name: "of a field that is not used", document: `{"manifests":[],"x":[{"y":{"z":1,"z":1}}]}` },
    { name: "with marks of JSON in them", document: String.raw`{"manifests":[],"\"{:\\":1,"\"{:\\":1}` },
    { name: "called __proto__", document: `{"manifests":[],"__proto__":1,"__proto__":1}` }
  ])("two members of one name, $name", ({ document }) => {
    expect(refusal(MediaType.index, document)).toMatch(/two members of one name/)
    expect(refusal("application/vnd.example+json", document)).toMatch(/two members of one name/)
  })

  it("documents with a name twice, and no others", () =>
    fc.assert(
      fc.property(fc.dictionary(name, json), name, json, fc.boolean(), (members, twice, value, pretty) => {
        const once = { ...members, [twice]: value, mediaType: "application/x" }
        const text = JSON.stringify(once, null, pretty ? 2 : undefined)
        expect(refusal("application/x", text)).toBeUndefined()
        const again = text.replace("{", () => `{${JSON.stringify(twice)}:${JSON.stringify(value)},`)
        expect(JSON.parse(again)).toEqual(JSON.parse(text))
        expect(refusal("application/x", again)).toMatch(/two members of one name/)
        expect(refusal("application/x", `{"mediaType":"application/x","outer":[${again}]}`)).toMatch(/one name/)
      })
    ))

  it("any other text without throwing", () =>
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
          expect(read instanceof ManifestInvalid || ("mediaType" in read && read.mediaType === mediaType)).toBe(true)
        }
      )
    ))
})

/**
 * Names and values with characters that could mislead a program that counts characters of JSON instead of parsing it.
 */
const name = fc.oneof(
  fc.string({ unit: fc.constantFrom("a", "\\", "\"", ":", "{", "}", "[", ",", " ", "\n", "\u00fc", "\u{1f600}") }),
  fc.string({ unit: "binary" }),
  fc.constantFrom("__proto__", "constructor", "")
).filter((name) => !/^(?:mediatype|config|layers|manifests|blobs|fslayers)$/i.test(name))

const { json } = fc.letrec((tie) => ({
  json: fc.oneof(
    { maxDepth: 3 },
    fc.oneof(name, fc.integer(), fc.boolean(), fc.constant(null)),
    fc.array(tie("json"), { maxLength: 3 }),
    fc.dictionary(name, tie("json"), { maxKeys: 3 })
  )
}))

describe("Manifest.parse of a media type that is not known", () => {
  const customType = "application/vnd.example+json"

  it.each(Object.entries(least))("refuses a document that declares %s", (declared, document) => {
    for (const sent of [customType, "application/json", "text/plain"]) {
      const reason = `its mediaType is "${declared}", but it was sent as "${sent}"`
      expect(refusal(sent, { ...document, mediaType: declared })).toBe(reason)
      expect(refusal(sent, { mediaType: declared })).toBe(reason)
      expect(refusal(sent, { MediaType: declared, mediaType: sent })).toBe(reason)
    }
  })

  it.each([
    { name: "an image", document: { config, layers }, type: MediaType.image },
    { name: "an image without layers", document: { layers: [] }, type: MediaType.image },
    { name: "an index", document: { manifests: [child] }, type: MediaType.index },
    {
      name: "an index, for programs that ignore the case of names",
      document: { Manifests: [child] },
      type: MediaType.index
    }
  ])("refuses what looks like $name and has no mediaType", ({ document, type }) => {
    for (const sent of [customType, "application/json"]) {
      expect(refusal(sent, document)).toBe(`it looks like one of type ${type}, but was sent as "${sent}"`)
    }
  })

  it("refuses a document whose mediaType differs, known or not", () => {
    expect(refusal(customType, { mediaType: "application/vnd.other+json" })).toBe(
      `its mediaType is "application/vnd.other+json", but it was sent as "${customType}"`
    )
  })

  it.each([
    { name: "nothing", document: {}, lists: [] },
    { name: "its own type", document: { mediaType: customType.toUpperCase() }, lists: [] },
    {
      name: "its own type, and lists",
      document: { mediaType: customType, layers, blobs: [], x: [] },
      lists: ["layers", "blobs"]
    },
    { name: "a config", document: { mediaType: customType, config }, lists: ["config"] },
    { name: "settings", document: { config: { size: 1 }, layers: 3, mediaType: 5 }, lists: [] }
  ])("takes one that says $name", ({ document, lists }) => {
    expect(Either.getOrThrow(parse(customType, document))).toStrictEqual(
      new Manifest.Unknown({ mediaType: customType, lists })
    )
  })
})

describe("Manifests of Docker's schema 1 are not supported", () => {
  const document = { schemaVersion: 1, name: "a", tag: "b", fsLayers: [{ blobSum: child.digest }], history: [] }

  it.each([
    { name: "by their type", sent: MediaType.dockerSchema1, document: {} },
    { name: "by their type, signed", sent: MediaType.dockerSchema1Signed, document: {} },
    { name: "by their members, as JSON", sent: "application/json", document },
    { name: "by their members, as text", sent: "text/plain", document },
    {
      name: "by the mediaType that they declare",
      sent: "application/json",
      document: { mediaType: MediaType.dockerSchema1 }
    }
  ])("$name", ({ document, sent }) => {
    const bytes = encode(document)
    for (const result of [Manifest.parse, Manifest.identify, Manifest.unambiguous]) {
      const error = Either.getOrThrow(
        Either.flip<unknown, Unsupported | ManifestInvalid>(result({ mediaType: sent, bytes }))
      )
      expect(error).toBeInstanceOf(Unsupported)
      expect(error.message).toMatch(/schema 1 are not supported; convert the image to schema 2 or OCI/)
    }
  })
})

describe("Manifest.identify", () => {
  const identify = (mediaType: string, document: unknown) => Manifest.identify({ mediaType, bytes: encode(document) })

  const generic = ["application/json", "text/plain; charset=utf-8", "application/octet-stream", "binary/octet-stream"]

  it.each(generic)("returns the type that the document declares, if it was served as %s", (sent) => {
    for (const [mediaType, document] of Object.entries(least)) {
      expect(identify(sent, { ...document, mediaType })).toEqual(Either.right(mediaType))
    }
    expect(identify(sent, { mediaType: "application/vnd.example+json" })).toEqual(
      Either.right("application/vnd.example+json")
    )
  })

  it.each(generic)("returns the type of manifests with its members, if it was served as %s", (sent) => {
    expect(identify(sent, { config, layers })).toEqual(Either.right(MediaType.image))
    expect(identify(sent, { manifests: [] })).toEqual(Either.right(MediaType.index))
  })

  it("returns the type that it was served with, if that type is specific or nothing else declares one", () => {
    expect(identify(`${MediaType.index}; charset=utf-8`, { manifests: [] })).toEqual(Either.right(MediaType.index))
    expect(identify("application/json", { x: 1 })).toEqual(Either.right("application/json"))
    expect(identify("text/plain", "no JSON")).toEqual(Either.right("text/plain"))
  })

  it.each([
    { name: "of two kinds", sent: "application/json", document: { manifests: [], layers: [] } },
    {
      name: "of two kinds, which declares one",
      sent: "application/json",
      document: { mediaType: MediaType.index, manifests: [], layers: [] }
    },
    {
      name: "that declares two types",
      sent: "application/json",
      document: { mediaType: MediaType.index, MediaType: MediaType.image }
    },
    {
      name: "that declares the type of another kind of manifest",
      sent: "application/vnd.example",
      document: { mediaType: MediaType.index }
    },
    {
      name: "that declares a type that browsers act on",
      sent: "application/json",
      document: { mediaType: "text/html" }
    },
    { name: "that declares an invalid type", sent: "text/plain", document: { mediaType: "no type\r\n" } },
    { name: "with a name twice", sent: "application/json", document: `{"manifests":[],"manifests":[]}` }
  ])("refuses a document $name", ({ document, sent }) => {
    expect(Either.getOrThrow(Either.flip(identify(sent, document)))).toBeInstanceOf(ManifestInvalid)
  })
})

describe("Manifest.parse and identify refuse types that browsers act on", () => {
  it.each(active)("%s", (mediaType) => {
    expect(refusal(mediaType, {})).toBe(
      `${MediaType.essence(mediaType)} is not a type of manifests, since browsers act on such content`
    )
    expect(Either.isLeft(Manifest.identify({ mediaType, bytes: encode("<html>") }))).toBe(true)
    expect(Either.isLeft(Manifest.checkType(mediaType))).toBe(true)
  })
})

describe("Manifest.parse and identify refuse a text that is not a media type", () => {
  it.each([
    "manifest",
    `\0${MediaType.index}`,
    `${MediaType.index}\r\nx: y`,
    "application/a b",
    `a/${"b".repeat(128)}`
  ])(
    "%j",
    (mediaType) => {
      expect(refusal(mediaType, { anything: true })).toMatch(/^".+" is not a media type$/)
      expect(Either.isLeft(Manifest.identify({ mediaType, bytes: encode({ manifests: [] }) }))).toBe(true)
      expect(Either.isLeft(Manifest.unambiguous({ mediaType, bytes: encode("") }))).toBe(true)
    }
  )
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
    {
      name: "a manifest of another type",
      mediaType: "application/x",
      document: { mediaType: "application/x", config, layers, subject },
      links: []
    }
  ])("of $name, in its order, the subject last", ({ document, links, mediaType }) => {
    const found = Manifest.references(Either.getOrThrow(parse(mediaType, document)))
    expect(found.map((link) => [link.kind, link.descriptor])).toEqual(links)
  })
})

describe("Manifest.referrer, by the rules of the referrers list", () => {
  const customType = "application/vnd.example.own"

  it.each([
    {
      name: "the artifactType of an image",
      mediaType: MediaType.image,
      document: { config, subject, artifactType: customType },
      artifactType: customType
    },
    {
      name: "the media type of the config, for an image without artifactType",
      mediaType: MediaType.image,
      document: { config, subject },
      artifactType: MediaType.imageConfig
    },
    {
      name: "the media type of the config, for an image with an empty artifactType",
      mediaType: MediaType.image,
      document: { config, subject, artifactType: "" },
      artifactType: MediaType.imageConfig
    },
    {
      name: "the artifactType of an index",
      mediaType: MediaType.index,
      document: { manifests: [], subject, artifactType: customType },
      artifactType: customType
    },
    {
      name: "no type, for an index without artifactType",
      mediaType: MediaType.index,
      document: { manifests: [child], subject },
      artifactType: undefined
    },
    {
      name: "the artifactType of an artifact",
      mediaType: MediaType.artifact,
      document: { subject, artifactType: customType },
      artifactType: customType
    },
    {
      name: "no type, for an artifact without artifactType",
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

  it("keeps as many of the smallest annotations as fit into a list (T59)", () => {
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

  it("copies no other fields of the descriptor", () => {
    const document = Either.getOrThrow(parse(MediaType.index, { manifests: [], subject }))
    expect(Manifest.referrer({ ...child, platform, urls: ["https://example/"], data: "e30=" }, document)).toStrictEqual(
      child
    )
  })

  it("has no artifact type and no annotations for an unknown media type", () => {
    const document = Either.getOrThrow(parse("application/x", {}))
    expect(Manifest.artifactType(document)).toBeUndefined()
    expect(Manifest.referrer(child, document)).toStrictEqual(child)
  })
})
