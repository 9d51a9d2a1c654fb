/**
 * The data sets of the suite: typical content of registries, each with its blobs and manifests.
 *
 * @since 0.1.0
 */
import * as Descriptor from "@effect-oci/core/Descriptor"
import type * as Digest from "@effect-oci/core/Digest"
import * as MediaType from "@effect-oci/core/MediaType"
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

/** Creates the data sets with one digest algorithm. */
const setsBy = (algorithm: Digest.Algorithm): ReadonlyArray<DataSet> => {
  const of = (bytes: Uint8Array, mediaType: string) => Descriptor.fromBytes(bytes, mediaType, algorithm)
  const describe = (manifest: Document, more: object = {}) => ({ ...of(manifest.bytes, manifest.mediaType), ...more })
  const empty = of(emptyJson, MediaType.empty)
  const imageOf = (contents: ReadonlyArray<Uint8Array>, more: object = {}) =>
    document(MediaType.image, {
      config: of(config, MediaType.imageConfig),
      layers: contents.map((content) => of(content, MediaType.layer)),
      ...more
    })
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
  const nowhere = of(bytesOf(`never pushed ${algorithm}`), MediaType.image)
  const imageBlobs = [config, ...layers]
  const set = (
    name: string,
    blobs: ReadonlyArray<Uint8Array>,
    manifests: ReadonlyArray<Document>,
    needs: DataSet["needs"] = []
  ): DataSet => ({
    name: algorithm === "sha256" ? name : `${name}, ${algorithm}`,
    algorithm,
    needs: algorithm === "sha256" ? needs : [...needs, "sha512"],
    blobs,
    manifests
  })
  return [
    set("image", imageBlobs, [image]),
    set("image without layers", [config], [imageOf([])]),
    ...(algorithm === "sha256" ? [set("large manifest", [config], [padded(imageOf([]), largestManifest)])] : []),
    set("index", imageBlobs, [image, small, index]),
    set("nested index", imageBlobs, [
      image,
      small,
      index,
      document(MediaType.index, { manifests: [describe(index), describe(image)] })
    ]),
    set("empty index", [], [document(MediaType.index, { manifests: [] })]),
    set("sparse index", [config, ...layers.slice(0, 1)], [
      small,
      document(MediaType.index, { manifests: [describe(small), nowhere] })
    ], ["sparseIndex"]),
    set("artifact", [emptyJson, bytesOf("an artifact")], [artifact]),
    set("artifact without layers", [emptyJson], [
      document(MediaType.image, { artifactType, config: empty, layers: [empty] })
    ]),
    set("artifact index", [emptyJson, bytesOf("an artifact")], [
      artifact,
      document(MediaType.index, { artifactType, manifests: [describe(artifact, { artifactType })] })
    ]),
    set("image with a subject", [...imageBlobs, emptyJson], [
      image,
      document(MediaType.image, {
        artifactType,
        config: empty,
        layers: [empty],
        subject: describe(image),
        annotations: { "org.example.of": "image" }
      })
    ]),
    set("index with a subject", imageBlobs, [
      image,
      document(MediaType.index, { artifactType, manifests: [], subject: describe(image) })
    ]),
    set("missing subject", [emptyJson], [
      document(MediaType.image, { artifactType, config: empty, layers: [empty], subject: nowhere })
    ]),
    set("data field", [emptyJson, layers[0] ?? emptyJson], [
      document(MediaType.image, {
        artifactType,
        config: { ...empty, data: Encoding.encodeBase64(emptyJson) },
        layers: [{
          ...of(layers[0] ?? emptyJson, MediaType.layer),
          data: Encoding.encodeBase64(layers[0] ?? emptyJson)
        }]
      })
    ]),
    set("custom fields", imageBlobs, [imageOf(layers, { "org.example.custom": { nested: [1, "two", null] } })]),
    set("non-distributable layer", [config], [
      imageOf([], {
        layers: [{
          ...of(bytesOf(`kept elsewhere ${algorithm}`), nonDistributable),
          urls: ["https://layers.example.com/layer.tar.gz"]
        }]
      })
    ]),
    set("odd white space and order", [emptyJson], [{
      mediaType: MediaType.image,
      bytes: bytesOf(
        `{\n\t"layers" : [ ] ,\r\n "config":${
          JSON.stringify(empty)
        }, "mediaType": "${MediaType.image}","schemaVersion":2 }\n`
      )
    }])
  ]
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
 * Contains all data sets, with sha256 and with sha512.
 *
 * @since 0.1.0
 * @category data sets
 */
export const dataSets: ReadonlyArray<DataSet> = [...setsBy("sha256"), ...setsBy("sha512")]

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
