/** Images and large blobs that are made when they are needed. */
import * as Body from "@effect-oci/core/Body"
import * as Descriptor from "@effect-oci/core/Descriptor"
import * as Digest from "@effect-oci/core/Digest"
import * as MediaType from "@effect-oci/core/MediaType"
import type { Registry } from "@effect-oci/core/Registry"
import * as RepositoryName from "@effect-oci/core/RepositoryName"
import * as Tag from "@effect-oci/core/Tag"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { assert } from "./Check.js"

const encoder = new TextEncoder()

export const v1 = Tag.make("v1")

/** Returns the name of a repository that no other check uses. */
export const newRepository = () => RepositoryName.make(`runtimes/${crypto.randomUUID()}`)

export const document = (mediaType: string, fields: object) => {
  const bytes = encoder.encode(JSON.stringify({ schemaVersion: 2, mediaType, ...fields }))
  return { bytes, descriptor: Descriptor.fromBytes(bytes, mediaType) }
}

/** An image with one layer. */
export const image = (text: string) => {
  const config = encoder.encode(
    JSON.stringify({ architecture: "amd64", os: "linux", config: {}, rootfs: { type: "layers", diff_ids: [] } })
  )
  const layer = encoder.encode(text)
  const blobs = [
    { bytes: config, descriptor: Descriptor.fromBytes(config, MediaType.imageConfig) },
    { bytes: layer, descriptor: Descriptor.fromBytes(layer, MediaType.layer) }
  ] as const
  const manifest = document(MediaType.image, { config: blobs[0].descriptor, layers: [blobs[1].descriptor] })
  return { blobs, manifest, layer: blobs[1] }
}

/** Pushes an image with the tag `v1`, pulls it, and compares. */
export const roundTrip = (registry: Registry.Service, repository: RepositoryName.RepositoryName, text: string) =>
  Effect.gen(function*() {
    const { blobs, layer, manifest } = image(text)
    for (const { bytes, descriptor } of blobs) yield* registry.pushBlob(repository, descriptor, Body.bytes(bytes))
    const { descriptor: { mediaType }, bytes } = manifest
    yield* registry.pushManifest(repository, { mediaType, bytes, tags: [v1] })
    const pulled = yield* registry.getManifest(repository, v1)
    assert(pulled.descriptor.digest === manifest.descriptor.digest, "the tag leads to another manifest")
    assert((yield* read(registry, repository, layer.descriptor.digest)) === text, "the layer has other content")
    return manifest
  })

/** Pulls a blob as text. */
export const read = (registry: Registry.Service, repository: RepositoryName.RepositoryName, digest: Digest.Digest) =>
  Effect.scoped(
    Effect.flatMap(registry.getBlob(repository, digest), ({ stream }) => Stream.mkString(Stream.decodeText(stream)))
  )

/** The repository with the large blob. */
export const largeRepository = RepositoryName.make("large")

const chunkBytes = 64 * 1024

const mebibytes = 512
const chunks = mebibytes * 16

/** A chunk of the large blob. */
export const largeChunk = (number: number) => new Uint8Array(chunkBytes).fill(number % 251)

/** The large blob, whose chunks are made one at a time. */
export const large = Body.stream(Stream.map(Stream.rechunk(Stream.range(0, chunks - 1), 1), largeChunk), {
  size: chunks * chunkBytes,
  replayable: true
})

/** Computes the descriptor of the large blob. This takes long where sha256 is not native. */
export const describeLarge = (): Descriptor.Descriptor => {
  const hasher = Digest.hasher("sha256")
  for (let number = 0; number < chunks; number++) hasher.update(largeChunk(number))
  return { mediaType: MediaType.layer, digest: hasher.digest(), size: chunks * chunkBytes }
}
