import { Descriptor, Digest, Manifest } from "@effect-oci/core"
import type { RepositoryName, Tag } from "@effect-oci/core"
import * as files from "@effect-oci/store-files/NodeDurableFile"
import type * as MetadataStore from "@effect-oci/store/MetadataStore"
import * as StoreError from "@effect-oci/store/StoreError"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { join } from "node:path"
import * as DistributionSource from "../../DistributionSource.js"
import * as digestTags from "../digestTags.js"
import { keyOf } from "./layoutBlobStore.js"
import type { LayoutBlobs } from "./layoutBlobStore.js"
import * as layout from "./layoutIndex.js"
import type { LayoutInvalid } from "./layoutInvalid.js"
import { aside, failed, LayoutState, memory } from "./layoutState.js"
import type { State } from "./layoutState.js"

type Service = MetadataStore.Service

/**
 * Creates the metadata store of a layout, which stores metadata in the index. A layout has one repository. Upload sessions
 * are kept in memory. Nothing expires: what no tag points at remains until it is deleted.
 */
export const make = (
  path: string,
  repository: RepositoryName.RepositoryName,
  received: LayoutBlobs
): Effect.Effect<Service, LayoutInvalid> =>
  Effect.gen(function*() {
    const state = yield* LayoutState.open(path, repository)
    const uploads = yield* memory
    const { advanceUpload, claimGarbage, claimUpload, createUpload, endUpload, expireUploads } = uploads
    const { forgetGarbage, getUpload, unknownKeys } = uploads
    return {
      ...blobCommands(path, repository, state),
      linkBlob: (link) => linkBlob(path, received, uploads, link),
      putManifest: (put) => putManifest(path, state, received, put),
      deleteManifest: (name, digest, evenIfReferenced) =>
        state.change(({ entries, metadata }) => {
          // A manifest that cannot be read is of no use to the manifests that refer to it.
          const content = entries.get(digest)?.content
          const always = evenIfReferenced || (content !== undefined && Either.isLeft(content))
          return Effect.map(metadata.deleteManifest(name, digest, always), () => {
            entries.delete(digest)
          })
        }).pipe(
          Effect.zipRight(Effect.mapError(files.remove(layout.blobPath(path, digest)), failed))
        ),
      deleteTag: (name, tag, pointsAt) =>
        state.change((now) => Effect.map(now.metadata.deleteTag(name, tag, pointsAt), () => untag(now, tag))),
      ...readCommands(state),
      inspectBlobs: (after, n) => inspectBlobs(path, state, after, n),
      review: () => Effect.succeed({ manifests: 0, blobs: 0, more: false }),
      advanceUpload,
      claimGarbage,
      claimUpload,
      createUpload,
      endUpload,
      expireUploads,
      forgetGarbage,
      getUpload,
      unknownKeys
    }
  })

/** The number of files whose size is read at the same time. */
const concurrency = 4

const sizeOf = (path: string, digest: Digest.Digest) =>
  Effect.mapError(files.sizeOf(layout.blobPath(path, digest)), failed)

const storedBlob = (digest: Digest.Digest, size: number): MetadataStore.StoredBlob => ({
  descriptor: { mediaType: Descriptor.octetStream, digest, size },
  key: keyOf(digest)
})

/** Creates the commands for blobs. The blobs of a layout are its files, except the manifests that the index lists. */
const blobCommands = (
  path: string,
  repository: RepositoryName.RepositoryName,
  state: LayoutState
): Pick<Service, "findBlob" | "mount" | "unlinkBlob" | "discardBlob"> => {
  const findBlob: Service["findBlob"] = (name, digest) =>
    name !== repository || state.lists(digest)
      ? Effect.succeed<MetadataStore.StoredBlob | undefined>(undefined)
      : Effect.map(sizeOf(path, digest), (size) => size === undefined ? undefined : storedBlob(digest, size))
  return {
    findBlob,
    mount: ({ digest, from }) =>
      from !== undefined && from !== repository
        ? Effect.succeed(false)
        : Effect.map(findBlob(repository, digest), (found) => found !== undefined),
    unlinkBlob: ({ digest, evenIfReferenced, repository: name }) =>
      Effect.gen(function*() {
        if ((yield* findBlob(name, digest)) === undefined) return yield* Effect.fail(new StoreError.BlobUnknown())
        const by = evenIfReferenced ? undefined : yield* state.read((now) => Effect.succeed(sourceOf(now, digest)))
        if (by !== undefined) return yield* Effect.fail(new StoreError.Referenced({ by }))
        return yield* Effect.mapError(files.remove(layout.blobPath(path, digest)), failed)
      }),
    // The file is named after the digest. A push writes it again.
    discardBlob: ({ digest, key }) =>
      key === keyOf(digest) && !state.lists(digest)
        ? Effect.mapError(files.remove(layout.blobPath(path, digest)), failed)
        : Effect.void
  }
}

/** Returns the digest of a manifest that refers to a blob, or `undefined` if there is none. */
const sourceOf = ({ entries }: State, blob: Digest.Digest): Digest.Digest | undefined => {
  for (const [digest, { content }] of entries) {
    const links = Either.isRight(content) ? Manifest.references(content.right.document) : []
    if (links.some(({ descriptor, kind }) => kind !== "subject" && descriptor.digest === blob)) return digest
  }
  return undefined
}

/** Moves received bytes to their digest, and ends their upload session. */
const linkBlob = (
  path: string,
  { placing, receivedPath }: LayoutBlobs,
  uploads: Service,
  { digest, key, size, upload }: Parameters<Service["linkBlob"]>[0]
): ReturnType<Service["linkBlob"]> =>
  Effect.uninterruptible(Effect.gen(function*() {
    const received = yield* receivedPath(key)
    const to = layout.blobPath(path, digest)
    const isMoved = (yield* Effect.mapError(files.sizeOf(received), failed)) === undefined
    if (isMoved && (yield* sizeOf(path, digest)) === size) return storedBlob(digest, size)
    if (upload !== undefined && (yield* uploads.getUpload(upload.id)).fence !== upload.fence) {
      return yield* Effect.fail(new StoreError.Stale())
    }
    yield* Effect.mapError(placing.move(received, to), failed)
    if (upload !== undefined) {
      yield* uploads.endUpload(upload.id)
      yield* uploads.forgetGarbage([key])
    }
    return storedBlob(digest, size)
  }))

/** Lists the blobs of a layout. */
const inspectBlobs = (
  path: string,
  state: LayoutState,
  after: Digest.Digest | undefined,
  n: number
): ReturnType<Service["inspectBlobs"]> =>
  Effect.gen(function*() {
    const digests = yield* Effect.mapError(layoutDigests(path), failed)
    const page = digests.filter((digest) => (after === undefined || digest > after) && !state.lists(digest)).slice(0, n)
    const sizes = yield* Effect.forEach(page, (digest) => sizeOf(path, digest))
    return page.flatMap((digest, index) => sizes[index] === undefined ? [] : [storedBlob(digest, sizes[index])])
  })

/** Returns the digests of all files in a layout, sorted. */
const layoutDigests = (path: string) =>
  Effect.map(
    Effect.forEach(Digest.algorithms, (algorithm) => {
      const folder = join(path, "blobs", algorithm)
      return Effect.catchIf(
        files.attempt("list", folder, (system) => system.readdir(folder)),
        (error) => error.isMissing,
        () => Effect.succeed<ReadonlyArray<string>>([])
      ).pipe(Effect.map((names) => names.map((name) => `${algorithm}:${name}`)))
    }),
    (all) => all.flat().sort().filter(Digest.is)
  )

type ReadCommands =
  | "resolveManifest"
  | "getManifest"
  | "inspectManifest"
  | "listTags"
  | "listReferrers"
  | "listRepositories"
  | "inspectTags"
  | "inspectManifests"

/** Creates the commands that read manifests and lists. */
const readCommands = (
  state: LayoutState
): Pick<Service, ReadCommands> => ({
  resolveManifest: (name, reference) =>
    state.readFor(reference, (now) => Effect.map(now.metadata.resolveManifest(name, reference), annotated(now))),
  getManifest: (name, reference) =>
    state.readFor(reference, (now) =>
      Effect.map(now.metadata.getManifest(name, reference), (manifest) => ({
        ...manifest,
        descriptor: annotated(now)(manifest.descriptor)
      }))),
  inspectManifest: (name, digest) => state.readFor(digest, ({ metadata }) => metadata.inspectManifest(name, digest)),
  listTags: (name, after, n) => state.read(({ metadata }) => listTags(metadata, name, after, n)),
  listReferrers: (name, subject, type, after, n) =>
    state.read(({ metadata }) => metadata.listReferrers(name, subject, type, after, n)),
  listRepositories: (after, n) => state.read(({ metadata }) => metadata.listRepositories(after, n)),
  inspectTags: (name, after, n) => state.read(({ metadata }) => metadata.inspectTags(name, after, n)),
  inspectManifests: (name, after, n) => state.read(({ metadata }) => metadata.inspectManifests(name, after, n))
})

const putManifest = (
  path: string,
  state: LayoutState,
  { placing }: LayoutBlobs,
  put: MetadataStore.PutManifest
): ReturnType<Service["putManifest"]> =>
  Effect.gen(function*() {
    const source = yield* DistributionSource.Current
    const { bytes, descriptor } = put.manifest
    yield* state.read((now) => refuseOtherType(now, descriptor))
    const absent = yield* Effect.filter(
      put.references.flatMap(({ digest, required }) => required ? [digest] : []),
      (digest) => Effect.map(sizeOf(path, digest), (size) => size === undefined),
      { concurrency }
    )
    if (absent.length > 0) return yield* Effect.fail(new StoreError.ContentUnknown({ digests: absent }))
    const document = yield* Effect.orDie(Manifest.parse({ mediaType: descriptor.mediaType, bytes }))
    yield* placing.put(aside(path), layout.blobPath(path, descriptor.digest), bytes).pipe(
      // The index lists a manifest only after the manifest and its blobs are on the disk.
      Effect.zipRight(placing.synced),
      Effect.mapError(failed)
    )
    yield* state.change((now) =>
      Effect.map(
        replaced(now, { ...put, references: put.references.map((each) => ({ ...each, required: false })) }),
        () => list(now, put, document, source)
      )
    )
  })

/** Fails if the layout has the manifest with another media type. */
const refuseOtherType = ({ entries }: State, { digest, mediaType }: Descriptor.Descriptor) => {
  const before = entries.get(digest)
  return before !== undefined && Either.isRight(before.content) && before.descriptor.mediaType !== mediaType
    ? Effect.fail(new StoreError.TypeTaken({ mediaType: before.descriptor.mediaType }))
    : Effect.void
}

/** Lists a manifest in the index, with its tags and the repository that it came from. */
const list = (
  state: State,
  { manifest, tags }: MetadataStore.PutManifest,
  document: Manifest.Document,
  source: DistributionSource.Repository | undefined
): void => {
  const { descriptor } = manifest
  const before = state.entries.get(descriptor.digest)
  const annotations = source === undefined
    ? undefined
    : DistributionSource.add({ ...descriptor, annotations: layout.annotationsFor(before) }, source).annotations
  const children = Manifest.references(document)
    .flatMap((link) => link.kind === "manifest" ? [link.descriptor.digest] : [])
  for (const tag of tags) untag(state, tag, descriptor.digest)
  state.entries.set(descriptor.digest, {
    descriptor,
    content: Either.right({ manifest, document, children }),
    listings: layout.withTags(before?.listings ?? [], tags, annotations)
  })
}

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
const replaced = ({ entries, metadata }: State, put: MetadataStore.PutManifest) => {
  const { digest } = put.manifest.descriptor
  const before = entries.get(digest)
  if (before === undefined || Either.isRight(before.content)) return metadata.putManifest(put)
  const tags = [...new Set(before.listings.flatMap((listing) => layout.tagFor(listing) ?? []))]
  return metadata.deleteManifest(put.repository, digest, true).pipe(
    Effect.orDie,
    Effect.zipRight(metadata.putManifest({ ...put, tags: [...new Set([...tags, ...put.tags])] }))
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
