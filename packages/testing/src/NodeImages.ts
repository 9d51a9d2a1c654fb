/** Images and indexes of random content, and OCI layouts of them on disk. */
import * as Body from "@effect-oci/core/Body"
import * as Descriptor from "@effect-oci/core/Descriptor"
import * as Digest from "@effect-oci/core/Digest"
import * as MediaType from "@effect-oci/core/MediaType"
import type { Registry } from "@effect-oci/core/Registry"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import type { Tag } from "@effect-oci/core/Tag"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import { randomBytes } from "node:crypto"
import { join } from "node:path"
import { gzipSync } from "node:zlib"

/** Bytes and their descriptor. */
export interface Content {
  readonly descriptor: Descriptor.Descriptor
  readonly bytes: Uint8Array
}

/** A manifest, its blobs, and the manifests that it lists. */
export interface Artifact extends Content {
  readonly blobs: ReadonlyArray<Content>
  readonly manifests: ReadonlyArray<Artifact>
}

const content = (bytes: Uint8Array, mediaType: string): Content => ({
  descriptor: Descriptor.fromBytes(bytes, mediaType),
  bytes
})

const json = (value: unknown, mediaType: string): Content =>
  content(new TextEncoder().encode(JSON.stringify(value)), mediaType)

/** Creates an image with random layers of the given sizes in bytes, before compression. */
export const image = (sizes: ReadonlyArray<number>, platform = { architecture: "amd64", os: "linux" }): Artifact => {
  const tars = sizes.map((size) => randomBytes(size))
  const layers = tars.map((tar) => content(gzipSync(tar, { level: 1 }), MediaType.layerGzip))
  const rootfs = { type: "layers", diff_ids: tars.map((tar) => Digest.fromBytes(tar)) }
  const config = json({ ...platform, config: {}, rootfs }, MediaType.imageConfig)
  const manifest = json({
    schemaVersion: 2,
    mediaType: MediaType.image,
    config: config.descriptor,
    layers: layers.map((layer) => layer.descriptor)
  }, MediaType.image)
  return { ...manifest, blobs: [config, ...layers], manifests: [] }
}

/** Creates an index with an image for each architecture. */
export const index = (architectures: ReadonlyArray<string>): Artifact => {
  const images = architectures.map((architecture) => ({ architecture, os: "linux" })).map((platform) => ({
    platform,
    image: image([1000], platform)
  }))
  const manifest = json({
    schemaVersion: 2,
    mediaType: MediaType.index,
    manifests: images.map(({ image, platform }) => ({ ...image.descriptor, platform }))
  }, MediaType.index)
  return { ...manifest, blobs: [], manifests: images.map(({ image }) => image) }
}

/** Returns all contents of an artifact. Each content follows the contents that it refers to. */
export const contents = (artifact: Artifact): ReadonlyArray<Content> => [
  ...artifact.blobs,
  ...artifact.manifests.flatMap(contents),
  artifact
]

/** Pushes the blobs of an artifact, and its manifest with the tags. Does not push the manifests that it lists. */
export const push = (
  registry: Registry.Service,
  repository: RepositoryName,
  { blobs, bytes, descriptor: { mediaType } }: Artifact,
  tags: ReadonlyArray<Tag>
) =>
  Effect.gen(function*() {
    for (const { bytes, descriptor } of blobs) {
      yield* registry.pushBlob(repository, descriptor, Body.bytes(bytes))
    }
    return yield* registry.pushManifest(repository, { mediaType, bytes, tags })
  })

const file = (folder: string, digest: Digest.Digest) =>
  join(folder, "blobs", Digest.algorithm(digest), Digest.encoded(digest))

/** Writes an OCI layout with one artifact, under the tag `v1`, to a temporary folder. Returns the folder. */
export const writeLayout = (artifact: Artifact) =>
  Effect.gen(function*() {
    const files = yield* FileSystem.FileSystem
    const folder = yield* files.makeTempDirectoryScoped({ prefix: "layout-" })
    yield* writeLayoutTo(folder, artifact)
    return folder
  })

/** Writes an OCI layout with one artifact, under the tag `v1`, to a folder. */
export const writeLayoutTo = (folder: string, artifact: Artifact) =>
  Effect.gen(function*() {
    const files = yield* FileSystem.FileSystem
    yield* files.makeDirectory(join(folder, "blobs", "sha256"), { recursive: true })
    for (const { bytes, descriptor } of contents(artifact)) {
      yield* files.writeFile(file(folder, descriptor.digest), bytes)
    }
    yield* files.writeFileString(join(folder, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }))
    const tagged = { ...artifact.descriptor, annotations: { "org.opencontainers.image.ref.name": "v1" } }
    yield* files.writeFileString(join(folder, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [tagged] }))
  })

/** Returns the digests of an artifact's contents that a layout lacks, and the digests in the index of the layout. */
export const compareLayout = (folder: string, artifact: Artifact) =>
  Effect.gen(function*() {
    const files = yield* FileSystem.FileSystem
    const missing: Array<Digest.Digest> = []
    for (const { bytes, descriptor } of contents(artifact)) {
      const found = yield* Effect.option(files.readFile(file(folder, descriptor.digest)))
      if (found._tag === "None" || Buffer.compare(found.value, bytes) !== 0) missing.push(descriptor.digest)
    }
    const index = JSON.parse(yield* files.readFileString(join(folder, "index.json"))) as {
      readonly manifests: ReadonlyArray<Descriptor.Descriptor>
    }
    return { missing, digests: index.manifests.map(({ digest }) => digest) }
  })
