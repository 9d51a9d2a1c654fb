import { Body, Descriptor, Digest, MediaType, Registry } from "@effect-oci/core"
import type { RegistryError, RepositoryName, Tag } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import { randomFillSync } from "node:crypto"

/** An image to create, and where to push it. */
export interface Image {
  readonly repository: RepositoryName.RepositoryName
  readonly tag: Tag.Tag
  /** The number of layers. */
  readonly layers: number
  /** The size of a layer, in bytes. */
  readonly size: number
}

const encode = (value: unknown) => new TextEncoder().encode(JSON.stringify(value))

/** Pushes an image whose layers are random bytes to the registry of the context. Returns the digest of its manifest. */
export const pushImage = (
  { layers, repository, size, tag }: Image
): Effect.Effect<Digest.Digest, RegistryError.RegistryError, Registry> =>
  Effect.gen(function*() {
    const registry = yield* Registry
    const push = (bytes: Uint8Array, mediaType: Descriptor.Descriptor["mediaType"]) => {
      const descriptor = Descriptor.fromBytes(bytes, mediaType)
      return Effect.as(registry.pushBlob(repository, descriptor, Body.bytes(bytes)), descriptor)
    }
    const pushed: Array<Descriptor.Descriptor> = []
    for (let layer = 0; layer < layers; layer++) {
      pushed.push(yield* push(randomFillSync(new Uint8Array(size)), MediaType.layer))
    }
    const rootfs = { type: "layers", diff_ids: pushed.map(({ digest }) => digest) }
    const config = yield* push(
      encode({ architecture: "amd64", os: "linux", config: {}, rootfs }),
      MediaType.imageConfig
    )
    const bytes = encode({ schemaVersion: 2, mediaType: MediaType.image, config, layers: pushed })
    yield* registry.pushManifest(repository, { mediaType: MediaType.image, bytes, tags: [tag] })
    return Digest.fromBytes(bytes)
  })
