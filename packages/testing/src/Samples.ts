/** Content that the tests push and pull. */
import { Body, Descriptor, Digest, MediaType, RepositoryName, Tag } from "@effect-oci/core"
import * as Stream from "effect/Stream"

export const encode = (text: string): Uint8Array => new TextEncoder().encode(text)

export const repository = RepositoryName.make("team/app")
export const other = RepositoryName.make("team/base")
export const tag = Tag.make("v1")

export const blob = encode("hello, world")
export const descriptor = Descriptor.fromBytes(blob)

/** A body in pieces that can be read only once, of unknown size. */
export const streamed = (...pieces: ReadonlyArray<string>): Body.Body =>
  Body.stream(Stream.fromIterable(pieces.map(encode)))

const config = Descriptor.fromBytes(encode("{}"), MediaType.empty)

export const image = encode(
  JSON.stringify({ schemaVersion: 2, mediaType: MediaType.image, config, layers: [descriptor] })
)
export const imageDescriptor = Descriptor.fromBytes(image, MediaType.image)

/** A manifest whose subject is the image. */
export const signature = encode(JSON.stringify({
  schemaVersion: 2,
  mediaType: MediaType.image,
  artifactType: "application/vnd.example.signature",
  config,
  layers: [],
  subject: imageDescriptor,
  annotations: { by: "somebody" }
}))
export const signatureDescriptor = Descriptor.fromBytes(signature, MediaType.image)

/** The descriptor of the signature in the list of the image's referrers. */
export const signatureReferrer: Descriptor.Descriptor = {
  ...signatureDescriptor,
  artifactType: "application/vnd.example.signature",
  annotations: { by: "somebody" }
}

export const sbomReferrer: Descriptor.Descriptor = {
  mediaType: MediaType.image,
  digest: Digest.fromBytes(encode("sbom")),
  size: 4,
  artifactType: "application/vnd.example.sbom"
}

export const index = (...manifests: ReadonlyArray<Descriptor.Descriptor>): string =>
  JSON.stringify({ schemaVersion: 2, mediaType: MediaType.index, manifests })

/** Returns the body of a registry's error answer. */
export const failure = (code: string, message: string): string => JSON.stringify({ errors: [{ code, message }] })
