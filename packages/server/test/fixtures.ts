import * as Fixtures from "@effect-oci/conformance/Fixtures"
import { Body, Descriptor, Digest, MediaType, RepositoryName, Tag } from "@effect-oci/core"
import type { Registry } from "@effect-oci/core"
import { Effect } from "effect"

export const text = (value: string): Uint8Array => new TextEncoder().encode(value)
export const json = (value: unknown): Uint8Array => text(JSON.stringify(value))

export const repository = RepositoryName.make("team/app")
export const other = RepositoryName.make("team/other")
export const v1 = Tag.make("v1")

/** 2048 different bytes, which is the size in the range examples of the spec. */
export const blob = new Uint8Array(2048).map((_, index) => index % 251)
export const blobDigest = Digest.fromBytes(blob)
export const blobPath = `/v2/team/app/blobs/${blobDigest}`
export const absent = Digest.fromBytes(text("never pushed"))

export const config = text("{}")
export const configDigest = Digest.fromBytes(config)

/** An image manifest whose bytes change if it is parsed and serialized again. */
export const image = text(
  `{ "schemaVersion": 2,\n  "mediaType": "${MediaType.image}",\n  "config": ${
    JSON.stringify(Descriptor.fromBytes(config, MediaType.empty))
  },\n  "layers": [], "custom": 1.0 }`
)
export const imageDigest = Digest.fromBytes(image)
export const imageSha512 = Digest.fromBytes(image, "sha512")

/** An artifact that refers to the image. */
export const signature = (name: string): Uint8Array =>
  Fixtures.document(MediaType.image, {
    artifactType: "application/vnd.example.signature",
    config: Descriptor.fromBytes(config, MediaType.empty),
    layers: [],
    subject: Descriptor.fromBytes(image, MediaType.image),
    annotations: { name }
  }).bytes

/** Pushes a blob, the config, and the image with a tag. */
export const fill = (registry: Registry.Service, to: RepositoryName.RepositoryName = repository) =>
  Effect.gen(function*() {
    yield* registry.pushBlob(to, Descriptor.fromBytes(blob), Body.bytes(blob))
    yield* registry.pushBlob(to, Descriptor.fromBytes(config), Body.bytes(config))
    yield* registry.pushManifest(to, { mediaType: MediaType.image, bytes: image, tags: [v1] })
  }).pipe(Effect.orDie)
