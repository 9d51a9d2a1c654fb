/**
 * The data sets of the suite: typical content of registries, each with its blobs and manifests.
 *
 * @since 0.1.0
 */
import * as Digest from "@effect-oci/core/Digest"
import * as MediaType from "@effect-oci/core/MediaType"
import { blake3 } from "@noble/hashes/blake3.js"
import * as Encoding from "effect/Encoding"
import type { Capabilities } from "./Target.js"

/**
 * A manifest to push.
 *
 * @since 0.1.0
 * @category models
 */
export interface Document {
  readonly mediaType: string
  readonly bytes: Uint8Array
}

/**
 * Blobs and manifests that belong together. Push the blobs first, then the manifests in their order: each manifest
 * comes after the manifests that it refers to. The last manifest is the root of the set.
 *
 * @since 0.1.0
 * @category models
 */
export interface DataSet {
  readonly name: string
  readonly algorithm: Digest.Algorithm
  readonly needs: ReadonlyArray<Exclude<keyof Capabilities, "version">>
  readonly blobs: ReadonlyArray<Uint8Array>
  readonly manifests: ReadonlyArray<Document>
}

/**
 * Encodes a text as bytes.
 *
 * @since 0.1.0
 * @category constructors
 */
export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

/**
 * Computes the digest of bytes. Unlike `Digest.fromBytes`, it needs not load blake3.
 *
 * @since 0.1.0
 * @category constructors
 */
export const digestOf = (bytes: Uint8Array, algorithm: Digest.Algorithm = "sha256"): Digest.Digest =>
  algorithm === "blake3"
    ? Digest.make(`blake3:${Encoding.encodeHex(blake3(bytes))}`)
    : Digest.fromBytes(bytes, algorithm)

/**
 * Creates a manifest from its fields.
 *
 * @since 0.1.0
 * @category constructors
 */
export const document = (mediaType: string, fields: object): Document => ({
  mediaType,
  bytes: bytesOf(JSON.stringify({ schemaVersion: 2, mediaType, ...fields }))
})

/**
 * The artifact type of the artifacts in the data sets.
 *
 * @since 0.1.0
 * @category constants
 */
export const artifactType = "application/vnd.example.artifact"

/**
 * The size in bytes of the largest manifest that every registry must accept. See
 * [Pushing Manifests](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-manifests).
 *
 * @since 0.1.0
 * @category constants
 */
export const largestManifest = 4 * 1024 * 1024

const config = bytesOf(
  JSON.stringify({ architecture: "amd64", os: "linux", config: {}, rootfs: { type: "layers", diff_ids: [] } })
)
const emptyJson = bytesOf("{}")
const layers = [bytesOf("the first layer"), bytesOf("the second layer"), new Uint8Array(70_000).fill(42)]

const nonDistributable = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"

/** The documents that several data sets share, with the digests of one algorithm. */
const documentsBy = (algorithm: Digest.Algorithm) => {
  const of = (bytes: Uint8Array, mediaType: string) => ({
    mediaType,
    digest: digestOf(bytes, algorithm),
    size: bytes.byteLength
  })
  const describe = (manifest: Document, more: object = {}) => ({ ...of(manifest.bytes, manifest.mediaType), ...more })
  const imageOf = (contents: ReadonlyArray<Uint8Array>, more: object = {}) =>
    document(MediaType.image, {
      config: of(config, MediaType.imageConfig),
      layers: contents.map((content) => of(content, MediaType.layer)),
      ...more
    })
  const empty = of(emptyJson, MediaType.empty)
  const image = imageOf(layers)
  const small = imageOf(layers.slice(0, 1))
  const artifact = document(MediaType.image, {
    artifactType,
    config: empty,
    layers: [of(bytesOf("an artifact"), "text/plain")]
  })
  const index = document(MediaType.index, {
    manifests: [
      describe(image, { platform: { os: "linux", architecture: "amd64" } }),
      describe(small, { platform: { os: "linux", architecture: "arm64", variant: "v8" } })
    ]
  })
  const missing = of(bytesOf(`never pushed ${algorithm}`), MediaType.image)
  return { algorithm, of, describe, imageOf, empty, image, small, artifact, index, missing }
}

type Documents = ReturnType<typeof documentsBy>

/** A data set before its algorithm is chosen. */
type Row = readonly [
  name: string,
  blobs: ReadonlyArray<Uint8Array>,
  manifests: ReadonlyArray<Document>,
  needs?: DataSet["needs"]
]

const imageBlobs = [config, ...layers]

const imageRows = ({ algorithm, describe, image, imageOf, index, missing, small }: Documents): ReadonlyArray<Row> => [
  ["image", imageBlobs, [image]],
  ["image without layers", [config], [imageOf([])]],
  ...(algorithm === "sha256" ? [["large manifest", [config], [padded(imageOf([]), largestManifest)]] as const] : []),
  ["index", imageBlobs, [image, small, index]],
  ["nested index", imageBlobs, [
    image,
    small,
    index,
    document(MediaType.index, { manifests: [describe(index), describe(image)] })
  ]],
  ["empty index", [], [document(MediaType.index, { manifests: [] })]],
  ["sparse index", [config, ...layers.slice(0, 1)], [
    small,
    document(MediaType.index, { manifests: [describe(small), missing] })
  ], ["sparseIndex"]]
]

const artifactRows = (
  { algorithm, artifact, describe, empty, image, imageOf, missing, of }: Documents
): ReadonlyArray<Row> => [
  ["artifact", [emptyJson, bytesOf("an artifact")], [artifact]],
  ["artifact without layers", [emptyJson], [
    document(MediaType.image, { artifactType, config: empty, layers: [empty] })
  ]],
  ["artifact index", [emptyJson, bytesOf("an artifact")], [
    artifact,
    document(MediaType.index, { artifactType, manifests: [describe(artifact, { artifactType })] })
  ]],
  ["image with a subject", [...imageBlobs, emptyJson], [
    image,
    document(MediaType.image, {
      artifactType,
      config: empty,
      layers: [empty],
      subject: describe(image),
      annotations: { "org.example.of": "image" }
    })
  ]],
  ["index with a subject", imageBlobs, [
    image,
    document(MediaType.index, { artifactType, manifests: [], subject: describe(image) })
  ]],
  ["missing subject", [emptyJson], [
    document(MediaType.image, { artifactType, config: empty, layers: [empty], subject: missing })
  ]],
  ["data field", [emptyJson, layers[0] ?? emptyJson], [
    document(MediaType.image, {
      artifactType,
      config: { ...empty, data: Encoding.encodeBase64(emptyJson) },
      layers: [{
        ...of(layers[0] ?? emptyJson, MediaType.layer),
        data: Encoding.encodeBase64(layers[0] ?? emptyJson)
      }]
    })
  ]],
  ["custom fields", imageBlobs, [imageOf(layers, { "org.example.custom": { nested: [1, "two", null] } })]],
  ["non-distributable layer", [config], [
    imageOf([], {
      layers: [{
        ...of(bytesOf(`kept elsewhere ${algorithm}`), nonDistributable),
        urls: ["https://layers.example.com/layer.tar.gz"]
      }]
    })
  ]],
  ["odd white space and order", [emptyJson], [{
    mediaType: MediaType.image,
    bytes: bytesOf(
      `{\n\t"layers" : [ ] ,\r\n "config":${
        JSON.stringify(empty)
      }, "mediaType": "${MediaType.image}","schemaVersion":2 }\n`
    )
  }]]
]

/** Creates the data sets with one digest algorithm. */
const setsBy = (algorithm: Digest.Algorithm): ReadonlyArray<DataSet> => {
  const documents = documentsBy(algorithm)
  return [...imageRows(documents), ...artifactRows(documents)].map(([name, blobs, manifests, needs = []]) => ({
    name: algorithm === "sha256" ? name : `${name}, ${algorithm}`,
    algorithm,
    needs: algorithm === "sha256" ? needs : [...needs, algorithm],
    blobs,
    manifests
  }))
}

/**
 * Pads a manifest with an annotation to an exact number of bytes.
 *
 * @since 0.1.0
 * @category constructors
 */
export const padded = (manifest: Document, size: number): Document => {
  const fields = JSON.parse(new TextDecoder().decode(manifest.bytes)) as object
  const unpadded = JSON.stringify({ ...fields, annotations: { "org.example.pad": "" } })
  const at = unpadded.length - `"}}`.length
  const bytes = new Uint8Array(size).fill("x".charCodeAt(0))
  bytes.set(bytesOf(unpadded.slice(0, at)))
  bytes.set(bytesOf(unpadded.slice(at)), size - (unpadded.length - at))
  return { mediaType: manifest.mediaType, bytes }
}

/**
 * Contains all data sets, with each algorithm.
 *
 * @since 0.1.0
 * @category data sets
 */
export const dataSets: ReadonlyArray<DataSet> = Digest.algorithms.flatMap(setsBy)

/**
 * Contains an empty blob, the empty JSON object, and an ordinary blob.
 *
 * @since 0.1.0
 * @category data sets
 */
export const blobs: ReadonlyArray<{ readonly name: string; readonly bytes: Uint8Array }> = [
  { name: "a blob", bytes: bytesOf("0123456789abcdef".repeat(128)) },
  { name: "the empty blob", bytes: new Uint8Array(0) },
  { name: "the blob {}", bytes: emptyJson }
]
