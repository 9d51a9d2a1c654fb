/**
 * A small set of sample repositories, tags and contents. Operations of a random test select from it, so that they refer
 * to the same content.
 *
 * @since 0.1.0
 */
import * as Descriptor from "@effect-oci/core/Descriptor"
import * as MediaType from "@effect-oci/core/MediaType"
import type { OperationTag } from "@effect-oci/core/Operation"
import { traits } from "@effect-oci/core/Operation"
import * as RepositoryName from "@effect-oci/core/RepositoryName"
import * as Tag from "@effect-oci/core/Tag"

/**
 * The tags of all operations.
 *
 * @since 0.1.0
 * @category content
 */
export const operationTags = Object.keys(traits) as ReadonlyArray<OperationTag>

/**
 * The sample repositories.
 *
 * @since 0.1.0
 * @category content
 */
export const repositories: ReadonlyArray<RepositoryName.RepositoryName> = ["team/app", "team/base", "library/tool"].map(
  RepositoryName.make
)

/**
 * The sample tags.
 *
 * @since 0.1.0
 * @category content
 */
export const tags: ReadonlyArray<Tag.Tag> = ["latest", "v1", "v1.1", "v1-rc"].map(Tag.make)

/**
 * The artifact type of the sample signature.
 *
 * @since 0.1.0
 * @category content
 */
export const artifactType = "application/vnd.example.signature"

const text = (content: string) => new TextEncoder().encode(content)

/**
 * The sample blobs.
 *
 * @since 0.1.0
 * @category content
 */
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

/**
 * The sample manifests: a small image, a large image, an index of both, a signature of the small image, an index that refers
 * to the large image, a document of an unknown type, an ambiguous manifest, and one that is not JSON.
 *
 * @since 0.1.0
 * @category content
 */
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
