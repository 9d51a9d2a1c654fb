/**
 * Manifests: their exact bytes and their parsed content.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Either from "effect/Either"
import type * as Descriptor from "./Descriptor.js"
import * as internal from "./internal/manifestDocument.js"
import type { Raw } from "./internal/manifestJson.js"
import * as type from "./internal/manifestType.js"
import * as MediaType from "./MediaType.js"
import type { ManifestInvalid, Unsupported } from "./RegistryError.js"

export * from "./ManifestModel.js"

/**
 * An image, or an artifact packed as an image: a config and layers. Image spec: [Image
 * Manifest](https://github.com/opencontainers/image-spec/blob/main/manifest.md). Also Docker's "Image Manifest Version
 * 2, Schema 2".
 *
 * @since 0.1.0
 * @category models
 */
export class Image extends Data.TaggedClass("Image")<{
  readonly mediaType: string
  readonly artifactType: string | undefined
  readonly config: Descriptor.Descriptor
  readonly layers: ReadonlyArray<Descriptor.Descriptor>
  readonly subject: Descriptor.Descriptor | undefined
  readonly annotations: { readonly [key: string]: string } | undefined
}> {}

/**
 * An index: a list of manifests, usually one for each platform. Image spec: [Image
 * Index](https://github.com/opencontainers/image-spec/blob/main/image-index.md). Also Docker's manifest list.
 *
 * @since 0.1.0
 * @category models
 */
export class Index extends Data.TaggedClass("Index")<{
  readonly mediaType: string
  readonly artifactType: string | undefined
  readonly manifests: ReadonlyArray<Descriptor.Descriptor>
  readonly subject: Descriptor.Descriptor | undefined
  readonly annotations: { readonly [key: string]: string } | undefined
}> {}

/**
 * The artifact manifest of the release candidates of image-spec 1.1.
 *
 * @since 0.1.0
 * @category models
 */
export class Artifact extends Data.TaggedClass("Artifact")<{
  readonly mediaType: string
  readonly artifactType: string | undefined
  readonly blobs: ReadonlyArray<Descriptor.Descriptor>
  readonly subject: Descriptor.Descriptor | undefined
  readonly annotations: { readonly [key: string]: string } | undefined
}> {}

/**
 * A manifest of a media type that this library does not understand. Its bytes are stored and served unchanged.
 *
 * @since 0.1.0
 * @category models
 */
export class Unknown extends Data.TaggedClass("Unknown")<{
  readonly mediaType: string
  /**
   * The names of the JSON members that seem to list content that belongs to the manifest, such as `layers` and `blobs`.
   * Reading them requires knowledge of the media type. Empty if there are none, or if the manifest is not JSON.
   */
  readonly lists: ReadonlyArray<string>
}> {}

/**
 * The parsed content of a manifest.
 *
 * @since 0.1.0
 * @category models
 */
export type Document = Image | Index | Artifact | Unknown

/**
 * The maximum number of entries in a manifest: its descriptors, its annotations, and the annotations of its
 * descriptors.
 *
 * @since 0.1.0
 * @category constants
 */
export const maxEntries: number = internal.maxEntries

/** Returns the fields that all kinds of manifests have, each present or `undefined`. */
const shared = (
  mediaType: string,
  read: Partial<Pick<Image, "artifactType" | "subject" | "annotations">>
): Pick<Image, "mediaType" | "artifactType" | "subject" | "annotations"> => ({
  mediaType,
  artifactType: read.artifactType,
  subject: read.subject,
  annotations: read.annotations
})

type Read = (mediaType: string, document: Raw) => Either.Either<Document, string>

const image: Read = (mediaType, document) =>
  Either.map(
    internal.image(document),
    (read) => new Image({ ...shared(mediaType, read), config: read.config, layers: read.layers ?? [] })
  )

const index: Read = (mediaType, document) =>
  Either.map(
    internal.index(document),
    (read) => new Index({ ...shared(mediaType, read), manifests: read.manifests ?? [] })
  )

const artifact: Read = (mediaType, document) =>
  Either.map(
    internal.artifact(document),
    (read) => new Artifact({ ...shared(mediaType, read), blobs: read.blobs ?? [] })
  )

const kinds: ReadonlyMap<string, Read> = new Map([
  [MediaType.image, image],
  [MediaType.dockerImage, image],
  [MediaType.index, index],
  [MediaType.dockerList, index],
  [MediaType.artifact, artifact]
])

/**
 * Parses a manifest. The content of a manifest of an unknown media type is not parsed.
 *
 * Fails with `ManifestInvalid` if the manifest is malformed, or if other programs may read it differently
 * ([CVE-2021-41190](https://nvd.nist.gov/vuln/detail/CVE-2021-41190)):
 *
 * - it has members of two kinds of manifests, or names that differ only in case from the names that are read;
 * - its `mediaType` differs from the media type that it was sent with, or is missing although the manifest looks like
 *   one of another type;
 * - an object in it has two members with the same name, or its JSON begins with a byte order mark.
 *
 * Also fails with `ManifestInvalid` if it has more than {@link maxEntries} entries, a text instead of a media type, or a
 * media type for which {@link MediaType.isActive} returns `true`. Fails with `Unsupported` for Docker's schema 1. Takes linear time for any
 * input.
 *
 * @since 0.1.0
 * @category destructors
 * @example
 * ```ts
 * import { Manifest, MediaType } from "@effect-oci/core"
 *
 * const bytes = new TextEncoder().encode(`{"schemaVersion":2,"manifests":[]}`)
 * const document = Manifest.parse({ mediaType: MediaType.index, bytes }) // Either.right(Index)
 * ```
 */
export const parse = (sent: {
  readonly mediaType: string
  readonly bytes: Uint8Array
}): Either.Either<Document, ManifestInvalid | Unsupported> =>
  Either.flatMap(type.inspect(sent, type.asSent), ({ document, mediaType }) => {
    const read = kinds.get(mediaType)
    if (read === undefined) {
      return Either.right(new Unknown({ mediaType, lists: document === undefined ? [] : internal.listsIn(document) }))
    }
    return document === undefined
      ? Either.left(type.invalid("it is not a JSON object in UTF-8"))
      : Either.mapLeft(read(mediaType, document), type.invalid)
  })

/**
 * Checks whether all programs read a manifest in the same way, and fails as {@link parse} does if not. Accepts a
 * manifest whose members are malformed. For programs that forward manifests and leave the full check to the registry.
 *
 * @since 0.1.0
 * @category destructors
 */
export const unambiguous = (sent: {
  readonly mediaType: string
  readonly bytes: Uint8Array
}): Either.Either<void, ManifestInvalid | Unsupported> => Either.map(type.inspect(sent, type.asSent), () => undefined)

/**
 * A reference from a manifest to other content. `config` and `blob` refer to blobs; `manifest` and `subject` refer to
 * manifests.
 *
 * @since 0.1.0
 * @category models
 */
export interface Link {
  readonly kind: "config" | "blob" | "manifest" | "subject"
  readonly descriptor: Descriptor.Descriptor
}

/**
 * Returns all references of a document in their order, the subject last. Returns at most {@link maxEntries} plus two.
 *
 * @since 0.1.0
 * @category destructors
 */
export const references = (document: Document): ReadonlyArray<Link> => {
  const links: Array<Link> = []
  const add = (kind: Link["kind"], descriptors: ReadonlyArray<Descriptor.Descriptor>) => {
    for (const descriptor of descriptors) links.push({ kind, descriptor })
  }
  if (document._tag === "Unknown") return links
  if (document._tag === "Image") {
    add("config", [document.config])
    add("blob", document.layers)
  } else if (document._tag === "Index") add("manifest", document.manifests)
  else add("blob", document.blobs)
  if (document.subject !== undefined) add("subject", [document.subject])
  return links
}

/**
 * Returns the artifact type that a manifest has in the referrers list of its subject: its own artifact type, or the
 * media type of an image's config. Spec: [Listing
 * Referrers](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-referrers).
 *
 * @since 0.1.0
 * @category getters
 */
export const artifactType = (document: Document): string | undefined => {
  if (document._tag === "Unknown") return undefined
  if (document.artifactType !== undefined && document.artifactType !== "") return document.artifactType
  return document._tag === "Image" ? document.config.mediaType : undefined
}

/**
 * The maximum size of the annotations of one descriptor in a referrers list, in bytes of JSON: 64 KiB.
 *
 * @since 0.1.0
 * @category constants
 */
export const maxListedAnnotations: number = 64 * 1024

/**
 * Returns the descriptor that represents a manifest in the referrers list of its subject, with the annotations of the
 * manifest. If the annotations are together larger than {@link maxListedAnnotations}, the descriptor contains only as
 * many of the smallest annotations as fit. The manifest itself still contains all of them. Spec: [Listing
 * Referrers](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-referrers).
 *
 * @since 0.1.0
 * @category getters
 */
export const referrer = (descriptor: Descriptor.Descriptor, document: Document): Descriptor.Descriptor => {
  const type = artifactType(document)
  const annotations = document._tag === "Unknown" ? undefined : document.annotations
  return {
    mediaType: descriptor.mediaType,
    digest: descriptor.digest,
    size: descriptor.size,
    ...(type === undefined ? {} : { artifactType: type }),
    ...(annotations === undefined ? {} : { annotations: listed(annotations) })
  }
}

type Annotations = NonNullable<Descriptor.Descriptor["annotations"]>

const jsonBytes = (value: unknown): number => new TextEncoder().encode(JSON.stringify(value)).byteLength

const listed = (annotations: Annotations): Annotations => {
  if (jsonBytes(annotations) <= maxListedAnnotations) return annotations
  const sized = Object.entries(annotations).map((entry) => ({ entry, bytes: jsonBytes(entry) }))
  let left = maxListedAnnotations
  const kept = new Set(
    sized.toSorted((a, b) => a.bytes - b.bytes).filter(({ bytes }) => (left -= bytes) >= 0)
  )
  return Object.fromEntries(sized.filter((one) => kept.has(one)).map(({ entry }) => entry))
}
