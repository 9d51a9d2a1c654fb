import { MediaType, Reference, Tag } from "@effect-oci/core"
import type { Descriptor, Digest, Manifest } from "@effect-oci/core"
import * as Either from "effect/Either"
import { join } from "node:path"

/** The annotation that names a manifest of a layout. Image spec: "Pre-Defined Annotation Keys". */
const refName = "org.opencontainers.image.ref.name"

/** The annotation with the whole reference of an image, as containerd and `docker save` write it. */
const imageName = "io.containerd.image.name"

/** A line of the index: one descriptor, which may name its manifest. */
export interface Listing {
  /** The annotation `org.opencontainers.image.ref.name`. */
  readonly name: string | undefined
  /** The other members of the descriptor: platform, other annotations, unknown members. */
  readonly more: { readonly [name: string]: unknown }
}

/** The bytes of a manifest, and what they say. */
export interface Content {
  readonly manifest: Manifest.Manifest
  readonly document: Manifest.Document
  /** The manifests that this one points at. */
  readonly children: ReadonlyArray<Digest.Digest>
}

/** A manifest that the index leads to. */
export interface Entry {
  readonly descriptor: Descriptor.Descriptor
  /** The manifest, or why it cannot be read. */
  readonly content: Either.Either<Content, string>
  /** The lines of the index that list it: none for a manifest that only another one leads to. */
  readonly listings: ReadonlyArray<Listing>
}

/** A manifest that a tag stands for, and the name that says so. */
export interface Named {
  readonly name: string
  readonly digest: Digest.Digest
}

/** The metadata of a layout. */
export interface Index {
  readonly entries: ReadonlyMap<Digest.Digest, Entry>
  /** Other members of the index: annotations, unknown members. */
  readonly more: { readonly [name: string]: unknown }
  /** The state of the file that this was read from. */
  readonly stamp: string
}

/** The folder of files that are not yet part of a layout. */
export const ingestPath = (layout: string): string => join(layout, "ingest")

/** The lock that a process holds while it changes the index. */
export const lockPath = (layout: string): string => `${indexPath(layout)}.lock`

export const indexPath = (layout: string): string => join(layout, "index.json")

/** The path of the content of a digest. Only a parsed digest makes such a path, so none leads elsewhere. */
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

/** The annotations that name an image by its whole reference and its tag. */
export const namesOf = (name: string, tag: Tag.Tag): { readonly [key: string]: string } => ({
  [imageName]: name,
  [refName]: tag
})

/** The full name of the image that a line lists: a whole reference if one is there, or else the short name. */
export const nameOf = (listing: Listing): string | undefined => annotationsOf(listing)?.[imageName] ?? listing.name

/** The annotations that the index has for a manifest, its names apart. */
export const annotationsFor = (entry: Entry | undefined): Descriptor.Descriptor["annotations"] => {
  const [first] = entry?.listings ?? []
  return first === undefined ? undefined : annotationsOf(first)
}

/** The tag that a name stands for: the name itself, or the tag of a whole reference, as some programs write it. */
const tagOf = (name: string): Tag.Tag | undefined => {
  if (Tag.is(name)) return name
  // A whole reference has a path: an error for each of many other names would cost more than all the rest.
  return name.includes("/") ? Either.getOrUndefined(Reference.parse(name))?.tag : undefined
}

/** The tag that a line gives to its manifest. */
export const tagFor = (listing: Listing): Tag.Tag | undefined => {
  const name = listing.name ?? nameOf(listing)
  return name === undefined ? undefined : tagOf(name)
}

/**
 * The manifests that each tag stands for. A name that is the tag itself goes before a reference that ends in it. Several
 * manifests are left where several images have the same tag, as in what `docker save one two` writes.
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

/** The manifests that the index has to list, because it names them, or because no other manifest leads to them. */
export const roots = (entries: Index["entries"]): ReadonlyArray<Entry> => {
  const all = [...entries.values()]
  const below = new Set(all.flatMap(({ content }) => Either.isRight(content) ? content.right.children : []))
  return all.filter(({ descriptor, listings }) =>
    !below.has(descriptor.digest) || listings.some((listing) => nameOf(listing) !== undefined)
  )
}

/** The index as it is written: a line for each name, and one for each manifest that has no name and must be listed. */
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

/** The same line without any name. */
const unnamed = ({ more }: Listing): Listing => {
  const { annotations, ...rest } = more
  const { [imageName]: _, ...others } = (annotations ?? {}) as { readonly [key: string]: string }
  return { name: undefined, more: Object.keys(others).length === 0 ? rest : { ...rest, annotations: others } }
}

/** The same lines without a tag. A manifest that has no other name keeps a line for its annotations. */
export const withoutTag = (listings: ReadonlyArray<Listing>, tag: Tag.Tag): ReadonlyArray<Listing> => {
  const others = listings.filter((listing) => tagFor(listing) !== tag)
  if (others.length === listings.length) return listings
  return others.length > 0 ? others : [unnamed(listings[0]!)]
}

/** The lines of a manifest that is pushed: those that it has, and one for each new tag, all with the annotations. */
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
