import { Descriptor, Manifest } from "@effect-oci/core"
import type { Digest, RepositoryName, Tag } from "@effect-oci/core"
import { MetadataStore } from "@effect-oci/store"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { dirname } from "node:path"
import * as DistributionSource from "../../DistributionSource.js"
import * as digestTags from "../digestTags.js"
import * as files from "./files.js"
import { keyOf, receivedPath } from "./layoutBlobStore.js"
import * as layout from "./layoutIndex.js"
import type { LayoutInvalid } from "./layoutInvalid.js"
import { failed, LayoutState, memory } from "./layoutState.js"
import type { State } from "./layoutState.js"

type Service = MetadataStore.Service

/**
 * Creates the metadata store of a layout, which stores metadata in the index. A layout has one repository. Upload sessions
 * are kept in memory.
 */
export const make = (
  path: string,
  repository: RepositoryName.RepositoryName
): Effect.Effect<Service, LayoutInvalid> =>
  Effect.gen(function*() {
    const state = yield* LayoutState.open(path, repository)
    const uploads = yield* memory
    return {
      ...blobCommands(path, repository, state, uploads),
      putManifest: (put) => putManifest(path, state, put),
      deleteManifest: (name, digest) =>
        state.change(({ entries, metadata }) =>
          Effect.map(metadata.deleteManifest(name, digest), () => {
            entries.delete(digest)
          })
        ).pipe(
          Effect.zipRight(Effect.mapError(files.remove(layout.blobPath(path, digest)), failed))
        ),
      deleteTag: (name, tag) =>
        state.change((now) => Effect.map(now.metadata.deleteTag(name, tag), () => untag(now, tag))),
      ...readCommands(state),
      createUpload: uploads.createUpload,
      getUpload: uploads.getUpload,
      advanceUpload: uploads.advanceUpload,
      endUpload: uploads.endUpload,
      expireUploads: uploads.expireUploads,
      listGarbage: uploads.listGarbage,
      forgetGarbage: uploads.forgetGarbage
    }
  })

const sizeOf = (path: string, digest: Digest.Digest) =>
  Effect.mapError(files.sizeOf(layout.blobPath(path, digest)), failed)

/** Creates the commands for blobs. The blobs of a layout are its files, except the manifests that the index lists. */
const blobCommands = (
  path: string,
  repository: RepositoryName.RepositoryName,
  state: LayoutState,
  uploads: Service
): Pick<Service, "findBlob" | "linkUploaded" | "mount" | "unlinkBlob"> => {
  const findBlob: Service["findBlob"] = (name, digest) =>
    name !== repository || state.lists(digest)
      ? Effect.succeed<MetadataStore.StoredBlob | undefined>(undefined)
      : Effect.map(sizeOf(path, digest), (size) =>
        size === undefined
          ? undefined
          : { descriptor: { mediaType: Descriptor.octetStream, digest, size }, key: keyOf(digest) })
  return {
    findBlob,
    linkUploaded: ({ digest, id, size }) =>
      Effect.gen(function*() {
        const { key, offset } = yield* uploads.getUpload(id)
        if (offset !== size) return yield* Effect.fail(new MetadataStore.OffsetMismatch({ offset }))
        const to = layout.blobPath(path, digest)
        yield* files.folder(dirname(to)).pipe(
          Effect.zipRight(files.move(receivedPath(path, key), to)),
          Effect.mapError(failed)
        )
        yield* uploads.endUpload(id)
        yield* uploads.forgetGarbage(key)
        return undefined
      }),
    mount: ({ digest, from }) =>
      from !== undefined && from !== repository
        ? Effect.succeed(false)
        : Effect.map(findBlob(repository, digest), (found) => found !== undefined),
    unlinkBlob: (name, digest) =>
      Effect.gen(function*() {
        if ((yield* findBlob(name, digest)) === undefined) return yield* Effect.fail(new MetadataStore.BlobUnknown())
        yield* Effect.mapError(files.remove(layout.blobPath(path, digest)), failed)
        return undefined
      })
  }
}

/** Creates the commands that read manifests and lists. */
const readCommands = (
  state: LayoutState
): Pick<Service, "resolveManifest" | "getManifest" | "listTags" | "listReferrers" | "listRepositories"> => ({
  resolveManifest: (name, reference) =>
    state.readFor(reference, (now) => Effect.map(now.metadata.resolveManifest(name, reference), annotated(now))),
  getManifest: (name, reference) =>
    state.readFor(reference, (now) =>
      Effect.map(now.metadata.getManifest(name, reference), (manifest) => ({
        ...manifest,
        descriptor: annotated(now)(manifest.descriptor)
      }))),
  listTags: (name, after, n) => state.read(({ metadata }) => listTags(metadata, name, after, n)),
  listReferrers: (name, subject, type, after, n) =>
    state.read(({ metadata }) => metadata.listReferrers(name, subject, type, after, n)),
  listRepositories: (after, n) => state.read(({ metadata }) => metadata.listRepositories(after, n))
})

const putManifest = (
  path: string,
  state: LayoutState,
  put: MetadataStore.PutManifest
): ReturnType<Service["putManifest"]> =>
  Effect.gen(function*() {
    const source = yield* DistributionSource.Current
    const absent = yield* Effect.filter(
      [...put.blobs, ...put.children],
      (digest) => Effect.map(sizeOf(path, digest), (size) => size === undefined)
    )
    if (absent.length > 0) return yield* Effect.fail(new MetadataStore.ContentUnknown({ digests: absent }))
    const { bytes, descriptor } = put.manifest
    const document = yield* Effect.orDie(Manifest.parse({ mediaType: descriptor.mediaType, bytes }))
    const file = layout.blobPath(path, descriptor.digest)
    yield* files.folder(dirname(file)).pipe(
      Effect.zipRight(files.replace(file, bytes, layout.ingestPath(path))),
      Effect.mapError(failed)
    )
    yield* state.change((now) =>
      Effect.map(
        replaced(now, { ...put, blobs: [], children: [] }),
        () => list(now, put, document, source)
      )
    )
  })

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
  return metadata.deleteManifest(put.repository, digest).pipe(
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
