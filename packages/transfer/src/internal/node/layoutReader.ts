import { Descriptor, Digest, Manifest } from "@effect-oci/core"
import * as files from "@effect-oci/store-files/NodeDurableFile"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { stat } from "node:fs/promises"
import { blobPath, indexPath, listingOf } from "./layoutIndex.js"
import type { Content, Entry, Index, Listing } from "./layoutIndex.js"
import { LayoutInvalid } from "./layoutInvalid.js"

/** The maximum size of an index, in bytes. */
export const maxIndex = 16 * 1024 * 1024
const maxManifest = 8 * 1024 * 1024
const maxManifests = 65_536
const maxManifestBytes = 256 * 1024 * 1024
const maxDepth = 32

const invalid = (layout: string, reason: string) => new LayoutInvalid({ layout, reason })

export const unreadable = (layout: string) => (error: files.FileError): LayoutInvalid =>
  new LayoutInvalid({ layout, reason: `${error.path}: ${error.reason}`, cause: error.cause })

/** Returns a stamp that identifies the state of the index, without reading it. */
export const stampOf = (layout: string): Effect.Effect<string> =>
  Effect.match(files.attempt("open", indexPath(layout), () => stat(indexPath(layout), { bigint: true })), {
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

interface Loading extends Entry {
  readonly listings: Array<Listing>
}

/** Reads the manifest of a descriptor, and verifies its digest. */
const contentOf = (
  path: string,
  { digest, mediaType: listedAs }: Descriptor.Descriptor
): Effect.Effect<Either.Either<Content & { readonly below: ReadonlyArray<Descriptor.Descriptor> }, string>> =>
  Effect.map(
    Effect.zipRight(Digest.load(digest), Effect.either(files.readAll(path, maxManifest))),
    (read) =>
      Either.gen(function*() {
        const bytes = yield* Either.mapLeft(read, ({ path, reason }) => `${path}: ${reason}`)
        const broken = (error: { readonly message: string }) => `${path}: ${error.message}`
        const mediaType = yield* Either.mapLeft(Manifest.identify({ mediaType: listedAs, bytes }), broken)
        const manifest = yield* Either.mapLeft(Manifest.make({ mediaType, bytes, digest }), broken)
        const document = yield* Either.mapLeft(Manifest.parse({ mediaType, bytes }), broken)
        const below = Manifest.references(document).flatMap((link) => link.kind === "manifest" ? [link.descriptor] : [])
        return { manifest, document, children: below.map((child) => child.digest), below }
      })
  )

/** Reads the manifest of a descriptor, and the manifests below it. Stores the reason for those that cannot be read. */
const loader = (layout: string, entries: Map<Digest.Digest, Loading>) => {
  let manifestBytes = 0
  const visit = (
    descriptor: Descriptor.Descriptor,
    depth: number,
    listed: boolean
  ): Effect.Effect<void, LayoutInvalid> =>
    Effect.gen(function*() {
      const { digest, mediaType, size } = descriptor
      if (entries.has(digest)) return
      if (depth > maxDepth || entries.size >= maxManifests || manifestBytes > maxManifestBytes) {
        return yield* Effect.fail(
          invalid(
            layout,
            `it contains more than ${maxManifests} manifests, ${maxDepth} levels or ${maxManifestBytes} bytes of manifests`
          )
        )
      }
      const path = blobPath(layout, digest)
      // An index may point at manifests that are not in the layout (image spec, "Image Layout").
      if (!listed && (yield* Effect.orElseSucceed(files.sizeOf(path), () => 0)) === undefined) return
      const content = yield* contentOf(path, descriptor)
      if (Either.isRight(content)) manifestBytes += content.right.manifest.bytes.byteLength
      entries.set(digest, { descriptor: { mediaType, digest, size }, content, listings: [] })
      const below = Either.isRight(content) ? content.right.below : []
      yield* Effect.forEach(below, (child) => visit(child, depth + 1, false), { discard: true })
    })
  return visit
}

/** How often the layout is read again if it changes while it is read. */
const maxRereads = 10

/**
 * Reads the metadata of a layout. A layout without an index is empty. If a manifest cannot be read, its entry contains the
 * reason, and the other manifests are read. If a read fails and another process has changed the layout meanwhile, the
 * layout is read again.
 */
export const read = (layout: string, tries = maxRereads): Effect.Effect<Index, LayoutInvalid> =>
  Effect.gen(function*() {
    const stamp = yield* stampOf(layout)
    const found = yield* Effect.either(readAt(layout, stamp))
    const whole = Either.isRight(found) &&
      [...found.right.entries.values()].every(({ content }) => Either.isRight(content))
    if (whole || tries === 0 || (yield* stampOf(layout)) === stamp) return yield* found
    return yield* read(layout, tries - 1)
  })

const readAt = (layout: string, stamp: string): Effect.Effect<Index, LayoutInvalid> =>
  Effect.gen(function*() {
    const entries = new Map<Digest.Digest, Loading>()
    if (stamp === "none") return { entries, more: {}, stamp }
    const path = indexPath(layout)
    const bytes = yield* Effect.mapError(files.readAll(path, maxIndex), unreadable(layout))
    const { manifests, ...more } = yield* Either.try(() => utf8.decode(bytes)).pipe(
      Either.flatMap(Schema.decodeUnknownEither(IndexFile)),
      Either.mapLeft(() => invalid(layout, `${path}: it is not a JSON object with a list of manifests`))
    )
    if (manifests.length > maxManifests) {
      return yield* Effect.fail(invalid(layout, `${path}: it lists more than ${maxManifests} manifests`))
    }
    const visit = loader(layout, entries)
    for (const [at, raw] of manifests.entries()) {
      const descriptor = yield* Either.mapLeft(
        Schema.decodeUnknownEither(Descriptor.schema)(raw),
        () => invalid(layout, `${path}: manifests[${at}] must be a descriptor with a media type, a digest and a size`)
      )
      yield* visit(descriptor, 0, true)
      entries.get(descriptor.digest)!.listings.push(listingOf(descriptor, raw as { readonly [name: string]: unknown }))
    }
    return { entries, more, stamp }
  })
