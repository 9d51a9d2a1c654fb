/**
 * Manifests: their exact bytes, and what they say.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as Descriptor from "./Descriptor.js"
import * as Digest from "./Digest.js"
import * as MediaType from "./MediaType.js"
import { DigestInvalid, ManifestInvalid } from "./RegistryError.js"

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
 */
export const make = (fields: {
  readonly mediaType: string
  readonly bytes: Uint8Array
  readonly digest?: Digest.Digest | undefined
}): Either.Either<Manifest, DigestInvalid> => {
  const { bytes, digest, mediaType } = fields
  const algorithm = digest === undefined ? "sha256" : Digest.verifiable(digest)
  if (algorithm === undefined) {
    return Either.left(
      new DigestInvalid({ reference: digest, reason: `digest algorithm of "${digest}" is not supported` })
    )
  }
  const actual = Digest.fromBytes(bytes, algorithm)
  if (digest !== undefined && digest !== actual) {
    return Either.left(
      new DigestInvalid({
        reference: digest,
        reason: `content does not match its digest: it has ${actual}, expected is ${digest}`
      })
    )
  }
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
export const maxDescriptors = 65_536

const Descriptors = Schema.Array(Descriptor.schema).pipe(Schema.maxItems(maxDescriptors))

const shared = {
  schemaVersion: Schema.optional(Schema.Literal(2)),
  mediaType: Schema.optional(Schema.String),
  artifactType: Schema.optional(Schema.String),
  subject: Schema.optional(Schema.NullOr(Descriptor.schema)),
  annotations: Schema.optional(Schema.NullOr(Schema.Record({ key: Schema.String, value: Schema.String })))
}

const shapes = {
  image: Schema.decodeUnknownEither(
    Schema.Struct({ ...shared, config: Descriptor.schema, layers: Schema.optional(Schema.NullOr(Descriptors)) })
  ),
  index: Schema.decodeUnknownEither(Schema.Struct({ ...shared, manifests: Schema.NullOr(Descriptors) })),
  artifact: Schema.decodeUnknownEither(
    Schema.Struct({ ...shared, blobs: Schema.optional(Schema.NullOr(Descriptors)) })
  )
}

/** The members that only one kind of manifest may have: a document with those of two kinds is refused. CVE-2021-41190. */
const foreign: { readonly [Kind in keyof typeof shapes]: ReadonlyArray<string> } = {
  image: ["manifests"],
  index: ["config", "layers", "fsLayers"],
  artifact: ["manifests", "config", "layers", "fsLayers"]
}

const kindOf = (mediaType: string): keyof typeof shapes | undefined => {
  switch (mediaType) {
    case MediaType.image:
    case MediaType.dockerImage:
      return "image"
    case MediaType.index:
    case MediaType.dockerList:
      return "index"
    case MediaType.artifact:
      return "artifact"
    default:
      return undefined
  }
}

const invalid = (reason: string) => Either.left(new ManifestInvalid({ reason: `manifest invalid: ${reason}` }))

const utf8 = new TextDecoder("utf-8", { fatal: true })

/**
 * Reads what a manifest says. One of an unknown media type is not looked into. A document that could be read as two
 * kinds, or whose `mediaType` is another than it was sent with, is refused (CVE-2021-41190).
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
  const kind = kindOf(mediaType)
  if (kind === undefined) return Either.right(new Unknown({ mediaType }))
  const json = Either.try((): unknown => JSON.parse(utf8.decode(manifest.bytes)))
  if (Either.isLeft(json)) return invalid("it is not JSON in UTF-8")
  if (typeof json.right !== "object" || json.right === null) return invalid("it is not a JSON object")
  const document = json.right
  for (const key of foreign[kind]) {
    if (Object.hasOwn(document, key)) return invalid(`one of type ${mediaType} may not have "${key}"`)
  }
  return Either.flatMap(read[kind](mediaType, document), (read) => {
    const own = (document as { readonly mediaType?: unknown }).mediaType
    return own === undefined || own === "" || own === mediaType
      ? Either.right(read)
      : invalid(`its mediaType is "${String(own)}", but it was sent as "${mediaType}"`)
  })
}

const explain = (error: ParseResult.ParseError) => {
  const issue = ParseResult.ArrayFormatter.formatErrorSync(error)[0]
  const path = issue?.path.map(String).join(".") ?? ""
  return new ManifestInvalid({
    reason: `manifest invalid: ${path === "" ? "" : `${path}: `}${issue?.message ?? error.message}`
  })
}

const read: {
  readonly [Kind in keyof typeof shapes]: (
    mediaType: string,
    document: object
  ) => Either.Either<Document, ManifestInvalid>
} = {
  image: (mediaType, document) =>
    Either.mapBoth(shapes.image(document), {
      onLeft: explain,
      onRight: ({ annotations, artifactType, config, layers, subject }) =>
        new Image({
          mediaType,
          artifactType,
          config,
          layers: layers ?? [],
          subject: subject ?? undefined,
          annotations: annotations ?? undefined
        })
    }),
  index: (mediaType, document) =>
    Either.mapBoth(shapes.index(document), {
      onLeft: explain,
      onRight: ({ annotations, artifactType, manifests, subject }) =>
        new Index({
          mediaType,
          artifactType,
          manifests: manifests ?? [],
          subject: subject ?? undefined,
          annotations: annotations ?? undefined
        })
    }),
  artifact: (mediaType, document) =>
    Either.mapBoth(shapes.artifact(document), {
      onLeft: explain,
      onRight: ({ annotations, artifactType, blobs, subject }) =>
        new Artifact({
          mediaType,
          artifactType,
          blobs: blobs ?? [],
          subject: subject ?? undefined,
          annotations: annotations ?? undefined
        })
    })
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
 * The descriptor by which a manifest is listed among the referrers of its subject. Spec: "Listing Referrers".
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
    ...(annotations === undefined ? {} : { annotations })
  }
}
