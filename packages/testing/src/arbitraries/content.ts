import * as Fixtures from "@effect-oci/conformance/Fixtures"
import * as Body from "@effect-oci/core/Body"
import * as ByteRange from "@effect-oci/core/ByteRange"
import type * as Descriptor from "@effect-oci/core/Descriptor"
import * as Digest from "@effect-oci/core/Digest"
import * as MediaType from "@effect-oci/core/MediaType"
import * as Source from "@effect-oci/core/Source"
import * as Stream from "effect/Stream"
import * as fc from "fast-check"
import { record } from "../internal/record.js"
import type { Optional } from "../internal/record.js"
import { digest } from "./names.js"

/**
 * Generates media types, of manifests and others, in lower case and without parameters.
 *
 * @since 0.1.0
 * @category content
 */
export const mediaType: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(...MediaType.manifests, MediaType.layer, MediaType.imageConfig, MediaType.empty),
  fc.stringMatching(/^[a-z]{1,8}\/[a-z][a-z0-9.+-]{0,12}$/)
)

/**
 * Generates short texts.
 *
 * @since 0.1.0
 * @category content
 */
export const text: fc.Arbitrary<string> = fc.string({ unit: "grapheme", maxLength: 12 })

/**
 * Generates annotations, also empty ones and ones with the name `constructor`, which every object inherits.
 *
 * @since 0.1.0
 * @category content
 */
export const annotations: fc.Arbitrary<{ readonly [name: string]: string }> = fc.dictionary(
  fc.oneof({ weight: 4, arbitrary: text.filter((name) => name !== "__proto__") }, {
    weight: 1,
    arbitrary: fc.constant("constructor")
  }),
  text,
  { maxKeys: 3, noNullPrototype: true }
)

const platform = record<Descriptor.Platform>(
  { architecture: fc.constantFrom("amd64", "arm64", ""), os: fc.constantFrom("linux", "windows", "") },
  { "os.version": text, "os.features": fc.array(text, { maxLength: 2 }), variant: fc.constantFrom("v7", "v8") }
)

/** The optional fields of a descriptor. */
const optionalFields: Optional<Descriptor.Descriptor> = {
  urls: fc.array(fc.webUrl(), { maxLength: 2 }),
  annotations,
  data: fc.base64String({ maxLength: 16 }),
  artifactType: mediaType,
  platform
}

/** Generates counts, up to the largest safe integer. */
const count = fc.oneof(fc.nat(5), fc.nat(), fc.maxSafeNat())

/**
 * Generates descriptors of content that does not exist.
 *
 * @since 0.1.0
 * @category content
 */
export const descriptor: fc.Arbitrary<Descriptor.Descriptor> = record<Descriptor.Descriptor>(
  { mediaType, digest, size: count },
  optionalFields
)

/**
 * Generates ranges of at least one byte. HTTP cannot request an empty range.
 *
 * @since 0.1.0
 * @category content
 */
export const byteRange: fc.Arbitrary<ByteRange.ByteRange> = fc.oneof(
  count.map(ByteRange.from),
  fc.tuple(fc.nat(), fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1 }))).map(([offset, length]) =>
    ByteRange.slice(offset, length)
  ),
  fc.integer({ min: 1 }).map(ByteRange.last)
)

/**
 * Generates content as a list of chunks: no chunk, empty chunks, or several.
 *
 * @since 0.1.0
 * @category content
 */
export const chunks: fc.Arbitrary<ReadonlyArray<Uint8Array>> = fc.array(fc.uint8Array({ maxLength: 16 }), {
  maxLength: 4
})

const joined = (chunks: ReadonlyArray<Uint8Array>): Uint8Array => Uint8Array.from(chunks.flatMap((chunk) => [...chunk]))

const bodyOf = (chunks: ReadonlyArray<Uint8Array>): fc.Arbitrary<Body.Body> => {
  const content = joined(chunks)
  const size = fc.constantFrom(content.byteLength, undefined)
  return fc.oneof(
    fc.constant(Body.bytes(content)),
    size.map((size) => Body.stream(Stream.fromIterable(chunks), { size, replayable: true })),
    size.map((size) => Body.fromSource(Source.fromChunks(chunks), { size, replayable: true }))
  )
}

/**
 * Generates bodies of each kind, with known and unknown size. All are replayable, so that a test can read them.
 *
 * @since 0.1.0
 * @category content
 */
export const body: fc.Arbitrary<Body.Body> = chunks.chain(bodyOf)

/**
 * Generates blobs: a descriptor, a body that matches the descriptor, and its bytes.
 *
 * @since 0.1.0
 * @category content
 */
export const blob: fc.Arbitrary<{
  readonly descriptor: Descriptor.Descriptor
  readonly body: Body.Body
  readonly bytes: Uint8Array
}> = fc.tuple(chunks, mediaType, fc.constantFrom(...Digest.algorithms)).chain(
  ([chunks, mediaType, algorithm]) => {
    const bytes = joined(chunks)
    const digest = Fixtures.digestOf(bytes, algorithm)
    return fc.record({
      descriptor: record<Descriptor.Descriptor>(
        { mediaType: fc.constant(mediaType), digest: fc.constant(digest), size: fc.constant(bytes.byteLength) },
        optionalFields
      ),
      body: bodyOf(chunks),
      bytes: fc.constant(bytes)
    })
  }
)

const encode = (document: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(document))

const members = { subject: descriptor, annotations, artifactType: mediaType }

const documentOf = (mediaType: string): fc.Arbitrary<object> => {
  const descriptors = fc.array(descriptor, { maxLength: 3 })
  switch (mediaType) {
    case MediaType.image:
    case MediaType.dockerImage:
      return fc.record({ config: descriptor, layers: descriptors, ...members }, { requiredKeys: ["config", "layers"] })
    case MediaType.index:
    case MediaType.dockerList:
      return fc.record({ manifests: descriptors, ...members }, { requiredKeys: ["manifests"] })
    default:
      return fc.record({ blobs: descriptors, ...members }, { requiredKeys: [] })
  }
}

/**
 * Generates manifests that match their media type. The content that they refer to does not exist.
 *
 * @since 0.1.0
 * @category content
 */
export const manifest: fc.Arbitrary<{ readonly mediaType: string; readonly bytes: Uint8Array }> = fc
  .constantFrom(...MediaType.manifests)
  .chain((mediaType) =>
    documentOf(mediaType).map((document) => ({
      mediaType,
      bytes: encode({ schemaVersion: 2, mediaType, ...document })
    }))
  )
