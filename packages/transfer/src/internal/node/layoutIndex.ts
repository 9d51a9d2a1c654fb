import { MediaType, Reference, Tag } from "@effect-oci/core"
import type { Descriptor, Digest, Manifest } from "@effect-oci/core"
import * as Either from "effect/Either"
import { join } from "node:path"

/**
 * The annotation that names a manifest of a layout. See the
 * [image spec](https://github.com/opencontainers/image-spec/blob/main/annotations.md#pre-defined-annotation-keys).
 */
const refName = "org.opencontainers.image.ref.name"

/** The annotation that contains the whole reference of an image. containerd and `docker save` write it. */
const imageName = "io.containerd.image.name"

/** A descriptor in the index. It may name its manifest. */
export interface Listing {
  /** The annotation `org.opencontainers.image.ref.name`. */
  readonly name: string | undefined
  /** The other members of the descriptor: platform, other annotations, unknown members. */
  readonly more: { readonly [name: string]: unknown }
}

/** A manifest and its parsed document. */
export interface Content {
  readonly manifest: Manifest.Manifest
  readonly document: Manifest.Document
  /** The manifests that this one points at. */
  readonly children: ReadonlyArray<Digest.Digest>
}

/** A manifest that the index lists, directly or through other manifests. */
export interface Entry {
  readonly descriptor: Descriptor.Descriptor
  /** The manifest, or the reason why it cannot be read. */
  readonly content: Either.Either<Content, string>
  /** The descriptors in the index for this manifest: none if only another manifest points at it. */
  readonly listings: ReadonlyArray<Listing>
}

/** A manifest that a tag points at, and the name in the index that contains the tag. */
export interface Named {
  readonly name: string
  readonly digest: Digest.Digest
}

/** The metadata of a layout. */
export interface Index {
  readonly entries: ReadonlyMap<Digest.Digest, Entry>
  /** Other members of the index: annotations, unknown members. */
  readonly more: { readonly [name: string]: unknown }
  /** Identifies the state of the file from which this was read. */
  readonly stamp: string
}

/** Returns the folder for files that are not yet part of the layout. */
export const ingestPath = (layout: string): string => join(layout, "ingest")

/** Returns the path of the lock that a process holds while it changes the index. */
export const lockPath = (layout: string): string => `${indexPath(layout)}.lock`

export const indexPath = (layout: string): string => join(layout, "index.json")

/** Returns the path of a blob. The digest is a parsed one, so the path cannot lead out of the layout. */
export const blobPath = (layout: string, digest: Digest.Digest): string => {
  const [algorithm, encoded] = digest.split(":", 2) as [string, string]
  return join(layout, "blobs", algorithm, encoded)
}

/** Separates the name of an index descriptor from its other members. */
export const listingOf = (
  { annotations }: Descriptor.Descriptor,
  raw: { readonly [name: string]: unknown }
): Listing => {
  const { annotations: _, digest: __, mediaType: ___, size: ____, ...rest } = raw
  const { [refName]: name, ...others } = annotations ?? {}
  return { name, more: { ...rest, ...(Object.keys(others).length === 0 ? {} : { annotations: others }) } }
}

const annotationsOf = ({ more }: Listing) => more["annotations"] as Descriptor.Descriptor["annotations"]

/** Returns the annotations for the whole reference and the tag of an image. */
export const namesOf = (name: string, tag: Tag.Tag): { readonly [key: string]: string } => ({
  [imageName]: name,
  [refName]: tag
})

/** Returns the name of an image: the whole reference if the descriptor has one, or else the short name. */
export const nameOf = (listing: Listing): string | undefined => annotationsOf(listing)?.[imageName] ?? listing.name

/** Returns the annotations that the index has for a manifest, without its short name. */
export const annotationsFor = (entry: Entry | undefined): Descriptor.Descriptor["annotations"] => {
  const [first] = entry?.listings ?? []
  return first === undefined ? undefined : annotationsOf(first)
}

/** Returns the tag of a name. Some programs write a whole reference as the name: its tag counts. */
const tagOf = (name: string): Tag.Tag | undefined => {
  if (Tag.is(name)) return name
  // A whole reference has a path. Other names are not parsed: an error for each of many names would be slow.
  return name.includes("/") ? Either.getOrUndefined(Reference.parse(name))?.tag : undefined
}

/** Returns the tag that a descriptor gives to its manifest. */
export const tagFor = (listing: Listing): Tag.Tag | undefined => {
  const name = listing.name ?? nameOf(listing)
  return name === undefined ? undefined : tagOf(name)
}

/**
 * Returns the manifests of each tag. A name that equals the tag takes precedence over a reference with that tag. A tag has
 * several manifests if several images have the same tag, for example after `docker save one two`.
 */
export const tagsOf = (entries: Index["entries"]): Map<Tag.Tag, ReadonlyArray<Named>> => {
  const tags = new Map<Tag.Tag, { exact: boolean; readonly named: Map<Digest.Digest, Named> }>()
  for (const [digest, entry] of entries) {
    for (const listing of entry.listings) {
      const tag = tagFor(listing)
      if (tag === undefined) continue
      const exact = listing.name === tag
      const found = tags.get(tag) ?? { exact, named: new Map<Digest.Digest, Named>() }
      tags.set(tag, found)
      if (exact && !found.exact) {
        found.exact = true
        found.named.clear()
      }
      if (exact === found.exact) found.named.set(digest, { name: nameOf(listing)!, digest })
    }
  }
  return new Map([...tags].map(([tag, { named }]) => [tag, [...named.values()]]))
}

/** Returns the manifests that the index must list: those with a name, and those that no other manifest points at. */
export const roots = (entries: Index["entries"]): ReadonlyArray<Entry> => {
  const all = [...entries.values()]
  const below = new Set(all.flatMap(({ content }) => Either.isRight(content) ? content.right.children : []))
  return all.filter(({ descriptor, listings }) =>
    !below.has(descriptor.digest) || listings.some((listing) => nameOf(listing) !== undefined)
  )
}

/** Encodes the index: a descriptor for each name, and one for each manifest without a name that must be listed. */
export const encode = (index: Index): Uint8Array => {
  const manifests = roots(index.entries).flatMap(({ descriptor: { digest, mediaType, size }, listings }) => {
    const named = listings.filter((listing) => nameOf(listing) !== undefined)
    const lines = named.length > 0 ? named : [listings[0] ?? { name: undefined, more: {} }]
    return lines.map((listing) => ({
      mediaType,
      digest,
      size,
      ...listing.more,
      ...(listing.name === undefined ? {} : { annotations: { ...annotationsOf(listing), [refName]: listing.name } })
    }))
  })
  const file = { schemaVersion: 2, mediaType: MediaType.index, ...index.more, manifests }
  return new TextEncoder().encode(JSON.stringify(file))
}

/** Returns a listing without its name. */
const unnamed = ({ more }: Listing): Listing => {
  const { annotations, ...rest } = more
  const { [imageName]: _, ...others } = (annotations ?? {}) as { readonly [key: string]: string }
  return { name: undefined, more: Object.keys(others).length === 0 ? rest : { ...rest, annotations: others } }
}

/** Removes a tag from the listings of a manifest. A manifest without another name keeps one for its annotations. */
export const withoutTag = (listings: ReadonlyArray<Listing>, tag: Tag.Tag): ReadonlyArray<Listing> => {
  const others = listings.filter((listing) => tagFor(listing) !== tag)
  if (others.length === listings.length) return listings
  return others.length > 0 ? others : [unnamed(listings[0]!)]
}

/** Returns the listings of a pushed manifest: the existing ones, and one for each new tag, all with the annotations. */
export const withTags = (
  listings: ReadonlyArray<Listing>,
  tags: ReadonlyArray<Tag.Tag>,
  annotations: Descriptor.Descriptor["annotations"]
): ReadonlyArray<Listing> => {
  const described = ({ more, name }: Listing): Listing => ({
    name,
    more: annotations === undefined
      ? more
      : { ...more, annotations: { ...more["annotations"] as object | undefined, ...annotations } }
  })
  const [first] = listings
  const plain = first === undefined ? { name: undefined, more: {} } : unnamed(first)
  const has = new Set(listings.map(tagFor))
  const named = listings.filter((listing) => nameOf(listing) !== undefined)
  const added = tags.filter((tag) => !has.has(tag)).map((tag): Listing => ({ ...plain, name: tag }))
  const all = [...named, ...added]
  return (all.length > 0 ? all : [plain]).map(described)
}
