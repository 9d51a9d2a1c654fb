import * as Answer from "@effect-oci/core/Answer"
import type { Descriptor } from "@effect-oci/core/Descriptor"
import { octetStream } from "@effect-oci/core/Descriptor"
import type { Digest } from "@effect-oci/core/Digest"
import type { Manifest } from "@effect-oci/core/Manifest"
import * as Operation from "@effect-oci/core/Operation"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import type { Tag } from "@effect-oci/core/Tag"
import * as Effect from "effect/Effect"
import type { BlobKey } from "../BlobStore.js"
import * as MetadataStore from "../MetadataStore.js"
import { makeUploads } from "./memoryUploads.js"
import type { Ordered } from "./ordered.js"
import * as ordered from "./ordered.js"
import type { Room } from "./room.js"

/**
 * A blob, and the number of repositories that have it. `answer` is the result of a read, made once because reads are
 * frequent.
 */
interface Blob {
  readonly stored: MetadataStore.StoredBlob
  readonly answer: Effect.Effect<MetadataStore.StoredBlob>
  members: number
}

interface Entry {
  readonly manifest: Manifest
  readonly answer: Effect.Effect<Manifest>
  readonly descriptor: Effect.Effect<Descriptor>
  readonly subject: Digest | undefined
  readonly tags: Set<Tag>
}

interface Repository {
  readonly blobs: Map<Digest, Blob>
  readonly manifests: Map<Digest, Entry>
  readonly tags: Map<Tag, Entry>
  tagOrder: Ordered<Tag, Tag>
  readonly referrers: Map<Digest, Ordered<Digest, Descriptor>>
}

const none = Answer.succeed(undefined)
const repositoryUnknown = Answer.fail(new MetadataStore.RepositoryUnknown())
const manifestUnknown = Answer.fail(new MetadataStore.ManifestUnknown())

const blobOf = (digest: Digest, size: number, key: BlobKey): Blob => {
  const stored = { descriptor: { mediaType: octetStream, digest, size }, key }
  return { stored, answer: Answer.succeed(stored), members: 0 }
}

/**
 * Creates a metadata store in memory. The answer of a read is settled. A write is one synchronous step when its effect runs.
 * The bytes of manifests count against `room`.
 */
export const make = (room: Room): MetadataStore.Service => {
  const repositories = new Map<RepositoryName, Repository>()
  let names = ordered.empty<RepositoryName, RepositoryName>()
  const blobs = new Map<Digest, Blob>()
  const { close, release, uploads, ...commands } = makeUploads()

  const ensureRepository = (name: RepositoryName): Repository => {
    const known = repositories.get(name)
    if (known !== undefined) return known
    const repository: Repository = {
      blobs: new Map(),
      manifests: new Map(),
      tags: new Map(),
      tagOrder: ordered.empty(),
      referrers: new Map()
    }
    repositories.set(name, repository)
    names = ordered.set(names, name, name)
    return repository
  }

  const link = (name: RepositoryName, blob: Blob) => {
    const members = ensureRepository(name).blobs
    const { digest } = blob.stored.descriptor
    if (!members.has(digest)) blob.members++
    members.set(digest, blob)
  }

  const find = <A, E>(
    name: RepositoryName,
    reference: Operation.TagOrDigest,
    onEntry: (entry: Entry, repository: Repository) => Effect.Effect<A, E>
  ): Effect.Effect<A, E | MetadataStore.RepositoryUnknown | MetadataStore.ManifestUnknown> => {
    const repository = repositories.get(name)
    if (repository === undefined) return repositoryUnknown
    const entry = Operation.isDigest(reference) ? repository.manifests.get(reference) : repository.tags.get(reference)
    return entry === undefined ? manifestUnknown : onEntry(entry, repository)
  }

  const list = <A>(name: RepositoryName, page: (repository: Repository) => ReadonlyArray<A>) => {
    const repository = repositories.get(name)
    return repository === undefined ? repositoryUnknown : Effect.succeed(page(repository))
  }

  return {
    ...commands,
    hasBlob: (repository, digest) => repositories.get(repository)?.blobs.get(digest)?.answer ?? none,
    linkUploaded: ({ digest, id, size }) =>
      Effect.suspend((): ReturnType<MetadataStore.Service["linkUploaded"]> => {
        const upload = uploads.get(id)
        if (upload === undefined) return Effect.fail(new MetadataStore.UploadUnknown())
        if (upload.offset !== size) return Effect.fail(new MetadataStore.OffsetMismatch({ offset: upload.offset }))
        close(upload)
        const known = blobs.get(digest)
        const blob = known ?? blobOf(digest, size, upload.key)
        blobs.set(digest, blob)
        link(upload.repository, blob)
        return known === undefined ? none : Effect.succeed(release(upload))
      }),
    mount: ({ digest, from, repository }) =>
      Effect.sync(() => {
        const blob = from === undefined ? blobs.get(digest) : repositories.get(from)?.blobs.get(digest)
        if (blob !== undefined) link(repository, blob)
        return blob !== undefined
      }),
    unlinkBlob: (repository, digest) =>
      Effect.suspend(() => {
        const members = repositories.get(repository)?.blobs
        const blob = members?.get(digest)
        if (blob === undefined) return Effect.fail(new MetadataStore.BlobUnknown())
        members?.delete(digest)
        blob.members--
        if (blob.members > 0) return none
        blobs.delete(digest)
        return Effect.succeed(release({ key: blob.stored.key, token: undefined }))
      }),
    putManifest: (put) =>
      Effect.suspend(() => putManifest(put, repositories.get(put.repository), ensureRepository, room)),
    resolveManifest: (repository, reference) => find(repository, reference, (entry) => entry.descriptor),
    getManifest: (repository, reference) => find(repository, reference, (entry) => entry.answer),
    deleteManifest: (name, digest) =>
      Effect.suspend(() =>
        find(name, digest, (entry, repository) => {
          repository.manifests.delete(digest)
          room.release(entry.manifest.bytes.byteLength)
          for (const tag of entry.tags) removeTag(repository, tag)
          removeReferrer(repository, entry)
          return Effect.void
        })
      ),
    deleteTag: (name, tag) =>
      Effect.suspend(() =>
        find(name, tag, (entry, repository) => {
          entry.tags.delete(tag)
          removeTag(repository, tag)
          return Effect.void
        })
      ),
    listTags: (repository, after, n) => list(repository, ({ tagOrder }) => ordered.page(tagOrder, after, n)),
    listReferrers: (repository, subject, artifactType, after, n) =>
      Effect.sync(() =>
        ordered.page(
          repositories.get(repository)?.referrers.get(subject) ?? ordered.empty<Digest, Descriptor>(),
          after,
          n,
          artifactType === undefined ? undefined : (descriptor) => descriptor.artifactType === artifactType
        )
      ),
    listRepositories: (after, n) => Effect.sync(() => ordered.page(names, after, n))
  }
}

const putManifest = (
  put: MetadataStore.PutManifest,
  known: Repository | undefined,
  ensureRepository: (name: RepositoryName) => Repository,
  room: Room
): ReturnType<MetadataStore.Service["putManifest"]> => {
  const { digest, mediaType } = put.manifest.descriptor
  const stored = known?.manifests.get(digest)?.manifest.descriptor
  if (stored !== undefined && stored.mediaType !== mediaType) {
    return Effect.fail(new MetadataStore.TypeTaken({ mediaType: stored.mediaType }))
  }
  const digests = [
    ...put.blobs.filter((blob) => !known?.blobs.has(blob)),
    ...put.children.filter((child) => !known?.manifests.has(child) && !known?.blobs.has(child))
  ]
  if (digests.length > 0) return Effect.fail(new MetadataStore.ContentUnknown({ digests }))
  if (put.ifAbsent) {
    for (const tag of put.tags) {
      const held = known?.tags.get(tag)?.manifest.descriptor.digest
      if (held !== undefined && held !== digest) return Effect.fail(new MetadataStore.TagTaken({ tag, digest: held }))
    }
  }
  if (stored === undefined && !room.take(put.manifest.bytes.byteLength)) return Effect.fail(new MetadataStore.Full())
  const repository = ensureRepository(put.repository)
  const entry = putEntry(repository, put)
  for (const tag of put.tags) {
    repository.tags.get(tag)?.tags.delete(tag)
    if (!repository.tags.has(tag)) repository.tagOrder = ordered.set(repository.tagOrder, tag, tag)
    repository.tags.set(tag, entry)
    entry.tags.add(tag)
  }
  return Effect.void
}

const putEntry = (repository: Repository, { manifest, referrer }: MetadataStore.PutManifest): Entry => {
  const { descriptor } = manifest
  const known = repository.manifests.get(descriptor.digest)
  if (known !== undefined) return known
  const entry: Entry = {
    manifest,
    answer: Answer.succeed(manifest),
    descriptor: Answer.succeed(descriptor),
    subject: referrer?.subject,
    tags: new Set()
  }
  repository.manifests.set(descriptor.digest, entry)
  if (referrer !== undefined) {
    const others = repository.referrers.get(referrer.subject) ?? ordered.empty<Digest, Descriptor>()
    repository.referrers.set(referrer.subject, ordered.set(others, descriptor.digest, referrer.descriptor))
  }
  return entry
}

const removeTag = (repository: Repository, tag: Tag) => {
  repository.tags.delete(tag)
  repository.tagOrder = ordered.remove(repository.tagOrder, tag)
}

const removeReferrer = (repository: Repository, { manifest, subject }: Entry) => {
  const referrers = subject === undefined ? undefined : repository.referrers.get(subject)
  if (subject === undefined || referrers === undefined) return
  const others = ordered.remove(referrers, manifest.descriptor.digest)
  if (ordered.page(others, undefined, 1).length === 0) repository.referrers.delete(subject)
  else repository.referrers.set(subject, others)
}
