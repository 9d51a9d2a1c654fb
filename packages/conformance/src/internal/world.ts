import * as Descriptor from "@effect-oci/core/Descriptor"
import * as MediaType from "@effect-oci/core/MediaType"
import type { OperationTag } from "@effect-oci/core/Operation"
import { traits } from "@effect-oci/core/Operation"
import * as RepositoryName from "@effect-oci/core/RepositoryName"
import * as Tag from "@effect-oci/core/Tag"

/**
 * A small set of sample repositories, tags and contents, so that the operations of a history refer to the same ones.
 */

export const asks = Object.keys(traits) as ReadonlyArray<OperationTag>

export const repositories = ["team/app", "team/base", "library/tool"].map(RepositoryName.make)

export const tags = ["latest", "v1", "v1.1", "v1-rc"].map(Tag.make)

export const artifactType = "application/vnd.example.signature"

const text = (content: string) => new TextEncoder().encode(content)

export const blobs: ReadonlyArray<Uint8Array> = [
  text("{}"),
  text("hello, world"),
  new Uint8Array(3000).fill(7),
  text("")
]

const blob = (index: number, mediaType: string) => Descriptor.fromBytes(blobs[index] ?? text(""), mediaType)

const json = (mediaType: string, document: object) => ({
  mediaType,
  bytes: text(JSON.stringify({ schemaVersion: 2, mediaType, ...document }))
})

const describe = ({ bytes, mediaType }: { readonly mediaType: string; readonly bytes: Uint8Array }) =>
  Descriptor.fromBytes(bytes, mediaType)

const small = json(MediaType.image, { config: blob(0, MediaType.empty), layers: [blob(1, MediaType.layer)] })
const large = json(MediaType.image, {
  config: blob(0, MediaType.imageConfig),
  layers: [blob(2, MediaType.layer)],
  annotations: { "org.example.name": "large" }
})

export const manifests: ReadonlyArray<{ readonly mediaType: string; readonly bytes: Uint8Array }> = [
  small,
  large,
  json(MediaType.index, { manifests: [describe(small), describe(large)] }),
  json(MediaType.image, { artifactType, config: blob(0, MediaType.empty), layers: [], subject: describe(small) }),
  json(MediaType.index, { manifests: [], subject: describe(large), annotations: { "org.example.of": "large" } }),
  json("application/vnd.example.unknown+json", { anything: true }),
  json(MediaType.image, { config: blob(0, MediaType.empty), layers: [], manifests: [] }),
  { mediaType: MediaType.image, bytes: text("no json") }
]
