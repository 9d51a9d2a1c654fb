import { Descriptor, Manifest, MediaType, Reference, Tag } from "@effect-oci/core"
import type { Digest } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { stat } from "node:fs/promises"
import { join } from "node:path"
import { LayoutInvalid } from "./layoutInvalid.js"
import * as files from "./nodeFiles.js"

/** The annotation that names a manifest of a layout. Image spec: "Pre-Defined Annotation Keys". */
const refName = "org.opencontainers.image.ref.name"

/** The largest index that is read, in bytes. */
export const maxIndex = 16 * 1024 * 1024
const maxManifest = 8 * 1024 * 1024
const maxManifests = 65_536
const maxManifestBytes = 256 * 1024 * 1024

/** A manifest of a layout, and the manifests that it points at. */
export interface Entry {
  readonly manifest: Manifest.Manifest
  readonly document: Manifest.Document
  readonly children: ReadonlyArray<Digest.Digest>
  /** What the index says of it besides, its name apart: platform, annotations, and what nobody here knows. */
  readonly more: { readonly [name: string]: unknown }
  /** Names that are no tags, as other programs write them. */
  readonly names: ReadonlyArray<string>
}

/** What a layout has besides its blobs. */
export interface Index {
  readonly entries: ReadonlyMap<Digest.Digest, Entry>
  readonly tags: ReadonlyMap<Tag.Tag, Digest.Digest>
  /** What the file says besides: annotations, and what nobody here knows. */
  readonly more: { readonly [name: string]: unknown }
  /** Of which state of the file this is. */
  readonly stamp: string
}

/** Where things lie that are not yet, or no longer, part of a layout. */
export const ingestPath = (layout: string): string => join(layout, "ingest")

/** What whoever changes the index holds. */
export const lockPath = (layout: string): string => `${indexPath(layout)}.lock`

export const indexPath = (layout: string): string => join(layout, "index.json")

/** Where the content of a digest lies. Nothing but a digest makes such a path, so none leads elsewhere. */
export const blobPath = (layout: string, digest: Digest.Digest): string => {
  const [algorithm, encoded] = digest.split(":", 2) as [string, string]
  return join(layout, "blobs", algorithm, encoded)
}

/** The layout that a path leads to is broken, or hostile. */
const invalid = (layout: string, reason: string) => new LayoutInvalid({ layout, reason })

export const unreadable = (layout: string) => (error: files.FileError): LayoutInvalid =>
  new LayoutInvalid({ layout, reason: `${error.path}: ${error.reason}`, cause: error.cause })

/** Tells one state of the index from another, without reading it. */
export const stampOf = (layout: string): Effect.Effect<string> =>
  Effect.match(files.tried(indexPath(layout), () => stat(indexPath(layout), { bigint: true })), {
    onFailure: () => "none",
    onSuccess: ({ ino, mtimeNs, size }) => `${ino} ${size} ${mtimeNs}`
  })

const IndexFile = Schema.parseJson(
  Schema.Struct(
    { manifests: Schema.Array(Schema.Unknown) },
    Schema.Record({ key: Schema.String, value: Schema.Unknown })
  )
)

const utf8 = new TextDecoder("utf-8", { fatal: true })

/** The tag that a name stands for: itself, or that of a whole reference, as some programs write it. */
export const tagOf = (name: string): Tag.Tag | undefined =>
  Either.getOrUndefined(Tag.parse(name)) ??
    Either.getOrUndefined(Reference.parse(name))?.tag

/** A manifest by its descriptor, checked against its digest, and all below it that is there. */
const load = (layout: string, entries: Map<Digest.Digest, Entry>) => {
  let held = 0
  const visit = (
    descriptor: Descriptor.Descriptor,
    more: Entry["more"],
    depth: number,
    listed: boolean
  ): Effect.Effect<void, LayoutInvalid> =>
    Effect.gen(function*() {
      const { digest, mediaType } = descriptor
      if (entries.has(digest)) return
      if (depth > 32 || entries.size >= maxManifests || held > maxManifestBytes) {
        return yield* Effect.fail(invalid(layout, "it has more manifests than are read"))
      }
      const path = blobPath(layout, digest)
      const bytes = yield* Effect.catchIf(
        Effect.asSome(files.readAll(path, maxManifest)),
        (error) => error.missing && !listed,
        () => Effect.succeedNone
      ).pipe(Effect.mapError(unreadable(layout)))
      // An index may list what is not there. Image spec: "Image Layout".
      if (bytes._tag === "None") return
      held += bytes.value.byteLength
      const broken = (error: { readonly message: string }) => invalid(layout, `${path}: ${error.message}`)
      const manifest = yield* Either.mapLeft(Manifest.make({ mediaType, bytes: bytes.value, digest }), broken)
      const document = yield* Either.mapLeft(Manifest.parse({ mediaType, bytes: bytes.value }), broken)
      const below = Manifest.references(document).filter(({ kind }) => kind === "manifest")
      entries.set(digest, {
        manifest,
        document,
        children: below.map((link) => link.descriptor.digest),
        more,
        names: []
      })
      yield* Effect.forEach(below, (link) => visit(link.descriptor, {}, depth + 1, false), { discard: true })
    })
  return visit
}

/** How often an index is read that changes meanwhile. */
const patience = 10

/** Reads what a layout has; one that has no index is empty. Who deletes something meanwhile does not make it broken. */
export const read = (layout: string, tries = patience): Effect.Effect<Index, LayoutInvalid> =>
  Effect.flatMap(
    stampOf(layout),
    (stamp) =>
      Effect.catchAll(readAt(layout, stamp), (error) =>
        Effect.flatMap(stampOf(layout), (now) =>
          now === stamp || tries === 0 ? Effect.fail(error) : read(layout, tries - 1)))
  )

const readAt = (layout: string, stamp: string): Effect.Effect<Index, LayoutInvalid> =>
  Effect.gen(function*() {
    const entries = new Map<Digest.Digest, Entry>()
    const tags = new Map<Tag.Tag, Digest.Digest>()
    if (stamp === "none") return { entries, tags, more: {}, stamp }
    const path = indexPath(layout)
    const bytes = yield* Effect.mapError(files.readAll(path, maxIndex), unreadable(layout))
    const index = yield* Either.try(() => utf8.decode(bytes)).pipe(
      Either.flatMap(Schema.decodeUnknownEither(IndexFile)),
      Either.mapLeft(() => invalid(layout, `${path}: it is no JSON object with a list of manifests`))
    )
    if (index.manifests.length > maxManifests) {
      return yield* Effect.fail(invalid(layout, `${path}: it lists more than ${maxManifests} manifests`))
    }
    const visit = load(layout, entries)
    for (const [at, raw] of index.manifests.entries()) {
      const descriptor = yield* Either.mapLeft(
        Schema.decodeUnknownEither(Descriptor.schema)(raw),
        () => invalid(layout, `${path}: manifests[${at}] is no descriptor of a media type, a digest and a size`)
      )
      const { annotations, digest: _, mediaType: __, size: ___, ...rest } = raw as { readonly [name: string]: unknown }
      const { [refName]: name, ...others } = descriptor.annotations ?? {}
      const more = { ...rest, ...(Object.keys(others).length === 0 ? {} : { annotations: others }) }
      yield* visit(descriptor, more, 0, true)
      const entry = entries.get(descriptor.digest)!
      const tag = name === undefined ? undefined : tagOf(name)
      const named = name === undefined || (tag !== undefined && !tags.has(tag) && tag === name)
      entries.set(descriptor.digest, {
        ...entry,
        more: { ...entry.more, ...more },
        names: named ? entry.names : [...entry.names, name]
      })
      if (tag !== undefined && !tags.has(tag)) tags.set(tag, descriptor.digest)
    }
    const { manifests: _, ...more } = index
    return { entries, tags, more, stamp }
  })

const roots = ({ entries, tags }: Index): ReadonlyArray<Digest.Digest> => {
  const below = new Set([...entries.values()].flatMap(({ children }) => children))
  const named = new Set(tags.values())
  return [...entries.keys()].filter((digest) => named.has(digest) || !below.has(digest))
}

/** The index as it is written: an entry for each name, and one for each manifest that nothing leads to. */
export const encode = (index: Index): Uint8Array => {
  const tagged = new Map<Digest.Digest, Array<string>>()
  for (const [tag, digest] of index.tags) tagged.set(digest, [...(tagged.get(digest) ?? []), tag])
  const manifests = roots(index).flatMap((digest) => {
    const { manifest, more, names } = index.entries.get(digest)!
    const { descriptor } = manifest
    const annotations = more["annotations"] as { readonly [key: string]: string } | undefined
    const all: ReadonlyArray<string | undefined> = [
      ...names,
      ...(tagged.get(digest) ?? []).filter((tag) => !names.some((name) => tagOf(name) === tag))
    ]
    const plain = { mediaType: descriptor.mediaType, digest, size: descriptor.size, ...more }
    return (all.length === 0 ? [undefined] : all).map((name) =>
      name === undefined ? plain : { ...plain, annotations: { ...annotations, [refName]: name } }
    )
  })
  const file = { schemaVersion: 2, mediaType: MediaType.index, ...index.more, manifests }
  return new TextEncoder().encode(JSON.stringify(file))
}
