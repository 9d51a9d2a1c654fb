import { Descriptor, Manifest, Operation } from "@effect-oci/core"
import type { Digest, RepositoryName, Tag } from "@effect-oci/core"
import { Memory, MetadataStore } from "@effect-oci/store"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import { dirname } from "node:path"
import * as DistributionSource from "../DistributionSource.js"
import * as digestTags from "./digestTags.js"
import { keyOf, receivedPath } from "./layoutBlobStore.js"
import * as layout from "./layoutIndex.js"
import * as reader from "./layoutReader.js"
import * as files from "./nodeFiles.js"
import * as lock from "./nodeLock.js"

/** The error for a manifest that the index lists but that cannot be served: its file is broken, or its tag is ambiguous. */
export class Unusable {
  readonly _tag = "Unusable"
  constructor(readonly reason: string, readonly images: ReadonlyArray<layout.Named>) {}
}

/** Creates a metadata store in memory. */
const memory = Effect.suspend(() =>
  Effect.scoped(
    Effect.map(
      Layer.build(Memory.layerMetadataStore()),
      (context) => Context.get(context, MetadataStore.MetadataStore)
    )
  )
)

interface State extends layout.Index {
  readonly entries: Map<Digest.Digest, layout.Entry>
  readonly tags: ReadonlyMap<Tag.Tag, ReadonlyArray<layout.Named>>
  readonly metadata: MetadataStore.Service
}

const noBytes = new Uint8Array(0)

/** Returns the metadata of a manifest. For a manifest that cannot be read, this is only its descriptor and its tags. */
const put = (
  repository: RepositoryName.RepositoryName,
  { content, descriptor }: layout.Entry,
  tags: ReadonlyArray<Tag.Tag>
): MetadataStore.PutManifest => {
  const common = { repository, blobs: [], children: [], tags, ifAbsent: false }
  if (Either.isLeft(content)) {
    return { ...common, manifest: { descriptor, bytes: noBytes } as unknown as Manifest.Manifest, referrer: undefined }
  }
  const { document, manifest } = content.right
  const subject = Manifest.references(document).find(({ kind }) => kind === "subject")?.descriptor.digest
  const referrer = subject === undefined
    ? undefined
    : { subject, descriptor: Manifest.referrer(manifest.descriptor, document) }
  return { ...common, manifest, referrer }
}

/** Returns the reason why a tag or a digest cannot be served, or `undefined` if it can. */
const problemOf = ({ entries, tags }: State, reference: Operation.TagOrDigest): Unusable | undefined => {
  const images = Operation.isDigest(reference) ? [] : tags.get(reference) ?? []
  if (images.length > 1) {
    const names = images.map(({ digest, name }) => `${name} (${digest})`).join(", ")
    return new Unusable(`several images have the tag ${reference}: ${names}; say which by its name or digest`, images)
  }
  const digest = Operation.isDigest(reference) ? reference : images[0]?.digest
  const entry = digest === undefined ? undefined : entries.get(digest)
  return entry !== undefined && Either.isLeft(entry.content)
    ? new Unusable(`the index lists it, but it cannot be read: ${entry.content.left}`, [])
    : undefined
}

/**
 * Creates the metadata store of a layout, which stores metadata in the index. A layout has one repository. The index is
 * read again when another process has changed it. It is always written as a whole, under a lock.
 */
export const make = (path: string, repository: RepositoryName.RepositoryName) =>
  Effect.gen(function*() {
    const uploads = yield* memory
    const broken = (cause: unknown) => new MetadataStore.Failed({ cause })
    const changing = yield* Effect.makeSemaphore(1)

    const load = Effect.gen(function*() {
      const index = yield* reader.read(path)
      const tags = layout.tagsOf(index.entries)
      const tagsByDigest = new Map<Digest.Digest, Array<Tag.Tag>>()
      for (const [tag, [first]] of tags) {
        const found = tagsByDigest.get(first!.digest)
        if (found === undefined) tagsByDigest.set(first!.digest, [tag])
        else found.push(tag)
      }
      const metadata = yield* memory
      for (const [digest, entry] of index.entries) {
        yield* Effect.orDie(metadata.putManifest(put(repository, entry, tagsByDigest.get(digest) ?? [])))
      }
      return { ...index, entries: new Map(index.entries), tags, metadata }
    })

    let state: State = yield* load
    const current = Effect.flatMap(reader.stampOf(path), (stamp) =>
      stamp === state.stamp ? Effect.sync(() => state) : changing.withPermits(1)(refresh))
    const refresh = Effect.suspend(() =>
      Effect.flatMap(reader.stampOf(path), (stamp) =>
        stamp === state.stamp
          ? Effect.succeed(state)
          : Effect.mapBoth(load, {
            onFailure: broken,
            onSuccess: (loaded) => {
              state = loaded
              return loaded
            }
          }))
    )

    const save = (changed: State) =>
      Effect.gen(function*() {
        yield* files.replace(layout.indexPath(path), layout.encode(changed), layout.ingestPath(path))
        // The metadata in memory has only one manifest for an ambiguous tag, so the index must be read again.
        const settled = [...changed.tags.values()].every(({ length }) =>
          length === 1
        )
        const stamp = settled ? yield* reader.stampOf(path) : "unknown"
        state = { ...changed, tags: layout.tagsOf(changed.entries), stamp }
      }).pipe(Effect.mapError(broken))

    /** Changes the metadata and writes the index. If the write fails, the metadata is read again from the file. */
    const change = <A, E>(f: (state: State) => Effect.Effect<A, E | MetadataStore.Failed>) =>
      Effect.flatMap(refresh, (state) => Effect.zipLeft(f(state), Effect.suspend(() => save(state)))).pipe(
        Effect.onError(() =>
          Effect.sync(() => {
            state = { ...state, stamp: "unknown" }
          })
        ),
        lock.within(layout.lockPath(path)),
        changing.withPermits(1),
        Effect.mapError((error) => error instanceof files.FileError ? broken(error) : error),
        Effect.uninterruptible
      )

    const sizeOf = (digest: Digest.Digest) => Effect.mapError(files.sizeOf(layout.blobPath(path, digest)), broken)

    const hasBlob: MetadataStore.Service["hasBlob"] = (asked, digest) =>
      asked !== repository || state.entries.has(digest)
        ? Effect.succeed<MetadataStore.StoredBlob | undefined>(undefined)
        : Effect.map(sizeOf(digest), (size) =>
          size === undefined
            ? undefined
            : { descriptor: { mediaType: Descriptor.octetStream, digest, size }, key: keyOf(digest) })

    const missing = (digests: ReadonlyArray<Digest.Digest>) =>
      Effect.filter(digests, (digest) => Effect.map(sizeOf(digest), (size) => size === undefined))

    /** Reads the metadata for a tag or a digest. Fails if its manifest cannot be served. */
    const served = <A, E>(
      reference: Operation.TagOrDigest,
      f: (state: State) => Effect.Effect<A, E>
    ): Effect.Effect<A, E | MetadataStore.Failed> =>
      Effect.flatMap(current, (state): Effect.Effect<A, E | MetadataStore.Failed> => {
        const problem = problemOf(state, reference)
        return problem === undefined ? f(state) : Effect.fail(broken(problem))
      })

    const service: MetadataStore.Service = {
      hasBlob,
      linkUploaded: ({ digest, id, size }) =>
        Effect.gen(function*() {
          const { key, offset } = yield* uploads.getUpload(id)
          if (offset !== size) return yield* Effect.fail(new MetadataStore.OffsetMismatch({ offset }))
          const to = layout.blobPath(path, digest)
          yield* files.folder(dirname(to)).pipe(
            Effect.zipRight(files.move(receivedPath(path, key), to)),
            Effect.mapError(broken)
          )
          yield* uploads.endUpload(id)
          yield* uploads.forgetReleased(key)
          return undefined
        }),
      mount: ({ digest, from }) =>
        from !== undefined && from !== repository
          ? Effect.succeed(false)
          : Effect.map(hasBlob(repository, digest), (found) => found !== undefined),
      unlinkBlob: (asked, digest) =>
        Effect.gen(function*() {
          if ((yield* hasBlob(asked, digest)) === undefined) return yield* Effect.fail(new MetadataStore.BlobUnknown())
          yield* Effect.mapError(files.remove(layout.blobPath(path, digest)), broken)
          return undefined
        }),
      putManifest: (asked) =>
        Effect.gen(function*() {
          const source = yield* DistributionSource.Current
          const absent = yield* missing([...asked.blobs, ...asked.children])
          if (absent.length > 0) return yield* Effect.fail(new MetadataStore.ContentUnknown({ digests: absent }))
          const { bytes, descriptor } = asked.manifest
          const { digest, mediaType } = descriptor
          const document = yield* Effect.orDie(Manifest.parse({ mediaType, bytes }))
          const file = layout.blobPath(path, digest)
          yield* files.folder(dirname(file)).pipe(
            Effect.zipRight(files.replace(file, bytes, layout.ingestPath(path))),
            Effect.mapError(broken)
          )
          yield* change((state) =>
            Effect.map(replaced(state, { ...asked, blobs: [], children: [] }), () => {
              const before = state.entries.get(digest)
              const annotations = source === undefined
                ? undefined
                : DistributionSource.add({ ...descriptor, annotations: layout.annotationsFor(before) }, source)
                  .annotations
              const children = Manifest.references(document)
                .flatMap((link) => link.kind === "manifest" ? [link.descriptor.digest] : [])
              for (const tag of asked.tags) untag(state, tag, digest)
              state.entries.set(digest, {
                descriptor,
                content: Either.right({ manifest: asked.manifest, document, children }),
                listings: layout.withTags(before?.listings ?? [], asked.tags, annotations)
              })
            })
          )
        }),
      resolveManifest: (asked, reference) =>
        served(
          reference,
          (state) => Effect.map(state.metadata.resolveManifest(asked, reference), annotated(state))
        ),
      getManifest: (asked, reference) =>
        served(reference, (state) =>
          Effect.map(state.metadata.getManifest(asked, reference), (manifest) => ({
            ...manifest,
            descriptor: annotated(state)(manifest.descriptor)
          }))),
      deleteManifest: (asked, digest) =>
        change((state) =>
          Effect.map(state.metadata.deleteManifest(asked, digest), () => {
            state.entries.delete(digest)
          })
        ).pipe(
          Effect.zipRight(Effect.mapError(files.remove(layout.blobPath(path, digest)), broken))
        ),
      deleteTag: (asked, tag) =>
        change((state) => Effect.map(state.metadata.deleteTag(asked, tag), () => untag(state, tag))),
      listTags: (asked, after, n) => Effect.flatMap(current, ({ metadata }) => listTags(metadata, asked, after, n)),
      listReferrers: (asked, subject, type, after, n) =>
        Effect.flatMap(current, ({ metadata }) => metadata.listReferrers(asked, subject, type, after, n)),
      listRepositories: (after, n) => Effect.flatMap(current, ({ metadata }) => metadata.listRepositories(after, n)),
      createUpload: uploads.createUpload,
      getUpload: uploads.getUpload,
      advanceUpload: uploads.advanceUpload,
      endUpload: uploads.endUpload,
      expireUploads: uploads.expireUploads,
      listReleased: uploads.listReleased,
      forgetReleased: uploads.forgetReleased
    }
    return service
  })

/** Lists the tags, without the tags of lists of referrers: `ListReferrers` returns these referrers. */
const listTags = (
  metadata: MetadataStore.Service,
  repository: RepositoryName.RepositoryName,
  after: Tag.Tag | undefined,
  n: number
): ReturnType<MetadataStore.Service["listTags"]> =>
  Effect.flatMap(metadata.listTags(repository, after, n), (page) => {
    const tags = page.filter((tag) => !digestTags.isFallback(tag))
    const left = n - tags.length
    return page.length < n || left === 0
      ? Effect.succeed(tags)
      : Effect.map(listTags(metadata, repository, page.at(-1), left), (others) => [...tags, ...others])
  })

/** Puts a manifest. If its old content could not be read, the old metadata is deleted first, and its tags are kept. */
const replaced = (state: State, asked: MetadataStore.PutManifest) => {
  const { metadata } = state
  const { digest } = asked.manifest.descriptor
  const before = state.entries.get(digest)
  const put = metadata.putManifest(asked)
  if (before === undefined || Either.isRight(before.content)) return put
  const tags = [...new Set(before.listings.flatMap((listing) => layout.tagFor(listing) ?? []))]
  return metadata.deleteManifest(asked.repository, digest).pipe(
    Effect.orDie,
    Effect.zipRight(metadata.putManifest({ ...asked, tags: [...new Set([...tags, ...asked.tags])] }))
  )
}

/** Removes a tag from all manifests except one. */
const untag = ({ entries }: State, tag: Tag.Tag, but?: Digest.Digest): void => {
  for (const [digest, entry] of entries) {
    if (digest === but) continue
    const listings = layout.withoutTag(entry.listings, tag)
    if (listings !== entry.listings) entries.set(digest, { ...entry, listings })
  }
}

/** Returns a descriptor with its annotations in the index, which name the repositories its content came from. */
const annotated = ({ entries }: State) => (descriptor: Descriptor.Descriptor): Descriptor.Descriptor => {
  const annotations = layout.annotationsFor(entries.get(descriptor.digest))
  return annotations === undefined ? descriptor : { ...descriptor, annotations }
}
