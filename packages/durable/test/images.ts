import { Body, Descriptor, MediaType, Registry, RepositoryName, Tag } from "@effect-oci/core"
import { Effect } from "effect"

export const repository = RepositoryName.make("team/app")
export const tagOf = (number: number): Tag.Tag => Tag.make(`v${number}`)
export const text = (value: string): Uint8Array => new TextEncoder().encode(value)

/** The content of the layer of an image. */
export const layerOf = (number: number): Uint8Array => text(`layer ${number} `.repeat(1000))

/** Pushes an image: a layer in an upload session, a config, and the manifest with a tag. */
export const pushImage = (number: number) =>
  Effect.gen(function*() {
    const registry = yield* Registry
    const layer = Descriptor.fromBytes(layerOf(number), MediaType.layer)
    const upload = yield* registry.startUpload(repository)
    yield* registry.completeUpload(repository, upload.id, layer.digest, { body: Body.bytes(layerOf(number)) })
    const configBytes = text(`{"number":${number}}`)
    const config = Descriptor.fromBytes(configBytes, MediaType.imageConfig)
    yield* registry.pushBlob(repository, config, Body.bytes(configBytes))
    const manifest = { schemaVersion: 2, mediaType: MediaType.image, config, layers: [layer] }
    return yield* registry.pushManifest(repository, {
      mediaType: MediaType.image,
      bytes: text(JSON.stringify(manifest)),
      tags: [tagOf(number)]
    })
  })
