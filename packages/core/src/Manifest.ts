/**
 * Manifests: their exact bytes, and what they say.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Either from "effect/Either"
import type * as Descriptor from "./Descriptor.js"
import * as Digest from "./Digest.js"
import * as internal from "./internal/manifestDocument.js"
import { unsupported } from "./internal/verifier.js"
import * as MediaType from "./MediaType.js"
import type { DigestInvalid } from "./RegistryError.js"
import { digestMismatch, ManifestInvalid } from "./RegistryError.js"

declare const ManifestBrand: unique symbol

/**
 * A manifest as it is stored and sent: its exact bytes, and a descriptor whose digest and size are theirs. Made only by
 * {@link make}, which checks that, so nobody need check it again.
 *
 * @since 0.1.0
 * @category models
 */
export interface Manifest {
  readonly descriptor: Descriptor.Descriptor
  readonly bytes: Uint8Array
  readonly [ManifestBrand]: true
}

/**
 * A manifest from its bytes. Where a digest is given they must have it; otherwise theirs is computed (sha256).
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Manifest, MediaType } from "@effect-oci/core"
 *
 * const bytes = new TextEncoder().encode(`{"schemaVersion":2,"manifests":[]}`)
 * const manifest = Manifest.make({ mediaType: MediaType.index, bytes }) // Either.right
 * ```
 */
export const make = (fields: {
  readonly mediaType: string
  readonly bytes: Uint8Array
  readonly digest?: Digest.Digest | undefined
}): Either.Either<Manifest, DigestInvalid> => {
  const { bytes, digest, mediaType } = fields
  const algorithm = digest === undefined ? "sha256" : Digest.verifiable(digest)
  if (digest !== undefined && algorithm === undefined) return Either.left(unsupported(digest))
  const actual = Digest.fromBytes(bytes, algorithm)
  if (digest !== undefined && digest !== actual) return Either.left(digestMismatch(digest, actual))
  const descriptor = { mediaType, digest: actual, size: bytes.byteLength }
  return Either.right({ descriptor, bytes } as Manifest)
}

/**
 * An image, or any artifact that is packed as one: a config and layers. Image spec: "Image Manifest"; Docker's
 * "Image Manifest Version 2, Schema 2".
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
 * An index: manifests for several platforms, or any list of them. Image spec: "Image Index"; Docker's manifest list.
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
 * The artifact manifest of image-spec 1.1's release candidates.
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
 * A manifest of a media type that is not understood here: kept byte for byte.
 *
 * @since 0.1.0
 * @category models
 */
export class Unknown extends Data.TaggedClass("Unknown")<{ readonly mediaType: string }> {}

/**
 * What a manifest says.
 *
 * @since 0.1.0
 * @category models
 */
export type Document = Image | Index | Artifact | Unknown

/**
 * The most descriptors that a manifest may hold.
 *
 * @since 0.1.0
 * @category constants
 */
export const maxDescriptors: number = internal.maxDescriptors

/** What manifests of every kind have, each member there or `undefined`. */
const shared = (
  mediaType: string,
  read: Partial<Pick<Image, "artifactType" | "subject" | "annotations">>
): Pick<Image, "mediaType" | "artifactType" | "subject" | "annotations"> => ({
  mediaType,
  artifactType: read.artifactType,
  subject: read.subject,
  annotations: read.annotations
})

type Read = (mediaType: string, json: { readonly [name: string]: unknown }) => Either.Either<Document, string>

const image: Read = (mediaType, json) =>
  Either.map(
    internal.image(mediaType, json),
    (read) => new Image({ ...shared(mediaType, read), config: read.config, layers: read.layers ?? [] })
  )

const index: Read = (mediaType, json) =>
  Either.map(
    internal.index(mediaType, json),
    (read) => new Index({ ...shared(mediaType, read), manifests: read.manifests ?? [] })
  )

const artifact: Read = (mediaType, json) =>
  Either.map(
    internal.artifact(mediaType, json),
    (read) => new Artifact({ ...shared(mediaType, read), blobs: read.blobs ?? [] })
  )

interface Kind {
  readonly read: Read
  readonly own: ReadonlyArray<string>
}

const kinds: ReadonlyMap<string, Kind> = new Map([
  [MediaType.image, { read: image, own: internal.own.image }],
  [MediaType.dockerImage, { read: image, own: internal.own.image }],
  [MediaType.index, { read: index, own: internal.own.index }],
  [MediaType.dockerList, { read: index, own: internal.own.index }],
  [MediaType.artifact, { read: artifact, own: internal.own.artifact }]
])

const invalid = (reason: string) => new ManifestInvalid({ reason: `manifest invalid: ${reason}` })

/**
 * Reads what a manifest says. One of an unknown media type is not looked into. A document that could be read as two
 * kinds, whose `mediaType` is another than it was sent with, or that would be another to programs that do not tell
 * upper from lower case in names, is refused (CVE-2021-41190). Takes linear time, whatever the bytes.
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
export const parse = (manifest: {
  readonly mediaType: string
  readonly bytes: Uint8Array
}): Either.Either<Document, ManifestInvalid> => {
  const mediaType = MediaType.essence(manifest.mediaType)
  const kind = kinds.get(mediaType)
  if (kind === undefined) return Either.right(new Unknown({ mediaType }))
  return internal.json(manifest.bytes).pipe(
    Either.flatMap((json) => kind.read(mediaType, json)),
    Either.mapLeft(invalid)
  )
}

/**
 * Refuses a manifest that could be read as two kinds, whose `mediaType` is another than it was sent with, or that would
 * be another to programs that do not tell upper from lower case in names (CVE-2021-41190), and no other: what is
 * malformed besides is for {@link parse} to say. For what hands manifests on as they are.
 *
 * @since 0.1.0
 * @category destructors
 */
export const unambiguous = (manifest: Manifest): Either.Either<Manifest, ManifestInvalid> => {
  const mediaType = MediaType.essence(manifest.descriptor.mediaType)
  const kind = kinds.get(mediaType)
  if (kind === undefined) return Either.right(manifest)
  const json = internal.json(manifest.bytes)
  const problem = Either.isLeft(json) ? undefined : internal.ambiguity(kind.own, mediaType, json.right)
  return problem === undefined ? Either.right(manifest) : Either.left(invalid(problem))
}

/**
 * What a document points at: `config` and `blob` are blobs, `manifest` and `subject` are manifests.
 *
 * @since 0.1.0
 * @category models
 */
export interface Link {
  readonly kind: "config" | "blob" | "manifest" | "subject"
  readonly descriptor: Descriptor.Descriptor
}

/**
 * All that a document points at, in its order, the subject last; at most {@link maxDescriptors} and two more.
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
 * The artifact type by which a manifest is listed among the referrers of its subject: its own, or an image's config
 * media type. Spec: "Listing Referrers".
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
 * The most annotations that the descriptor of a referrer has in a list, in bytes of JSON: 64 KiB.
 *
 * @since 0.1.0
 * @category constants
 */
export const maxListedAnnotations: number = 64 * 1024

/**
 * Returns the descriptor that lists a manifest among the referrers of its subject, with the annotations of the manifest.
 * If the annotations are larger than {@link maxListedAnnotations} together, the descriptor has the smallest of them, as
 * many as fit; the manifest itself has them all. Spec:
 * [Listing Referrers](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-referrers).
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
