/** A small image, and functions that push, pull and list it. Each function works with any `Registry`. */
import { Body, Descriptor, Manifest, MediaType, Registry, RepositoryName, Tag } from "@effect-oci/core"
import { Effect, Stream } from "effect"
import { createTar } from "nanotar"

export const repository = RepositoryName.make("team/hello")
export const tag = Tag.make("v1")

const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value))

/** Makes an image with one layer, which contains one file. */
export const make = Effect.sync(() => {
  const layer = Body.hashed(createTar([{ name: "hello.txt", data: "Hello from effect-oci\n", attrs: { mtime: 0 } }]))
  const layerDescriptor = Descriptor.fromBody(layer, MediaType.layer)
  const config = Body.hashed(json({
    architecture: "amd64",
    os: "linux",
    config: {},
    rootfs: { type: "layers", diff_ids: [layer.digest] }
  }))
  const configDescriptor = Descriptor.fromBody(config, MediaType.imageConfig)
  const manifest = json({
    schemaVersion: 2,
    mediaType: MediaType.image,
    config: configDescriptor,
    layers: [layerDescriptor]
  })
  return { manifest, blobs: [[configDescriptor, config], [layerDescriptor, layer]] as const }
})

/** Pushes the image: the blobs first, then the manifest that names them. */
export const push = ({ blobs, manifest }: Effect.Effect.Success<typeof make>) =>
  Effect.gen(function*() {
    const registry = yield* Registry
    yield* Effect.forEach(blobs, ([descriptor, body]) => registry.pushBlob(repository, descriptor, body), {
      concurrency: 2,
      discard: true
    })
    return yield* registry.pushManifest(repository, { mediaType: MediaType.image, bytes: manifest, tags: [tag] })
  })

/** Pulls the image: the manifest by its tag, then the layers that the manifest names. Every digest is verified. */
export const pull = Effect.gen(function*() {
  const registry = yield* Registry
  const manifest = yield* registry.getManifest(repository, tag)
  const document = yield* Manifest.parse({ mediaType: manifest.descriptor.mediaType, bytes: manifest.bytes })
  const layers = Manifest.references(document).filter(({ kind }) => kind === "blob")
  const sizes = yield* Effect.forEach(layers, ({ descriptor }) =>
    Effect.scoped(Effect.gen(function*() {
      const content = yield* registry.getBlob(repository, descriptor.digest)
      return yield* Stream.runFold(content.stream, 0, (size, chunk) => size + chunk.byteLength)
    })))
  return {
    digest: manifest.descriptor.digest,
    layers: layers.length,
    bytes: sizes.reduce((sum, size) => sum + size, 0)
  }
})

/** Lists the first repositories of the registry, each with its first tags. */
export const list = Effect.gen(function*() {
  const registry = yield* Registry
  const tags = (repository: RepositoryName.RepositoryName) =>
    Effect.map(
      Stream.runCollect(registry.listTags(repository, { limit: 10 })),
      (found) => ({ repository, tags: Array.from(found) })
    )
  return Array.from(yield* Stream.runCollect(Stream.mapEffect(registry.listRepositories({ limit: 20 }), tags)))
})
