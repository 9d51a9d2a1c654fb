import * as Answer from "@effect-oci/core/Answer"
import { octetStream } from "@effect-oci/core/Descriptor"
import type { Digest } from "@effect-oci/core/Digest"
import type { TagOrDigest } from "@effect-oci/core/Operation"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import * as Effect from "effect/Effect"
import type { BlobKey } from "../BlobStore.js"
import * as MetadataStore from "../MetadataStore.js"
import { Repository } from "./memoryRepository.js"
import type { Blob, Entry } from "./memoryRepository.js"
import { GarbageList, makeCommands, Sessions } from "./memoryUploads.js"
import * as ordered from "./ordered.js"
import type { Room } from "./room.js"

type Service = MetadataStore.Service

const none = Answer.succeed(undefined)
const repositoryUnknown = Answer.fail(new MetadataStore.RepositoryUnknown())
const manifestUnknown = Answer.fail(new MetadataStore.ManifestUnknown())

const blobOf = (digest: Digest, size: number, key: BlobKey): Blob => {
  const stored = { descriptor: { mediaType: octetStream, digest, size }, key }
  return { stored, answer: Answer.succeed(stored), members: 0 }
}

/** The repositories of a store, in order. */
class Repositories {
  private readonly byName = new Map<RepositoryName, Repository>()
  private names = ordered.empty<RepositoryName, RepositoryName>()

  get(name: RepositoryName): Repository | undefined {
    return this.byName.get(name)
  }

  add(name: RepositoryName, repository: Repository): void {
    if (this.byName.has(name)) return
    this.byName.set(name, repository)
    this.names = ordered.set(this.names, name, name)
  }

  page(after: RepositoryName | undefined, n: number): ReadonlyArray<RepositoryName> {
    return ordered.page(this.names, after, n)
  }

  find<A>(
    name: RepositoryName,
    reference: TagOrDigest,
    onEntry: (entry: Entry, repository: Repository) => Effect.Effect<A>
  ): Effect.Effect<A, MetadataStore.RepositoryUnknown | MetadataStore.ManifestUnknown> {
    const repository = this.byName.get(name)
    if (repository === undefined) return repositoryUnknown
    const entry = repository.find(reference)
    return entry === undefined ? manifestUnknown : onEntry(entry, repository)
  }
}

/**
 * Creates a metadata store in memory. A read is settled. A write is one synchronous step when its effect runs. The bytes
 * of manifests count against `room`.
 */
export const make = (room: Room): Service => {
  const repositories = new Repositories()
  const sessions = new Sessions()
  const garbage = new GarbageList()
  return {
    ...makeCommands(sessions, garbage),
    ...blobCommands(repositories, sessions, garbage),
    putManifest: (put) =>
      Effect.suspend((): ReturnType<Service["putManifest"]> => {
        const repository = repositories.get(put.repository) ?? new Repository()
        const refusal = repository.refusal(put)
        if (refusal !== undefined) return Effect.fail(refusal)
        const { bytes, descriptor } = put.manifest
        const isNew = repository.find(descriptor.digest) === undefined
        if (isNew && !room.take(bytes.byteLength)) return Effect.fail(new MetadataStore.Full())
        repositories.add(put.repository, repository)
        repository.put(put)
        return Effect.void
      }),
    resolveManifest: (name, reference) => repositories.find(name, reference, (entry) => entry.descriptor),
    getManifest: (name, reference) => repositories.find(name, reference, (entry) => entry.answer),
    deleteManifest: (name, digest) =>
      Effect.suspend(() =>
        repositories.find(name, digest, (entry, repository) => {
          room.release(entry.manifest.bytes.byteLength)
          repository.deleteManifest(entry)
          return Effect.void
        })
      ),
    deleteTag: (name, tag) =>
      Effect.suspend(() =>
        repositories.find(name, tag, (_, repository) => Effect.sync(() => repository.deleteTag(tag)))
      ),
    listTags: (name, after, n) => {
      const repository = repositories.get(name)
      return repository === undefined ? repositoryUnknown : Effect.succeed(repository.listTags(after, n))
    },
    listReferrers: (name, subject, artifactType, after, n) =>
      Effect.sync(() => repositories.get(name)?.listReferrers(subject, artifactType, after, n) ?? []),
    listRepositories: (after, n) => Effect.sync(() => repositories.page(after, n))
  }
}

/** Creates the commands for blobs. Repositories share the bytes of a blob. */
const blobCommands = (
  repositories: Repositories,
  sessions: Sessions,
  garbage: GarbageList
): Pick<Service, "findBlob" | "linkUploaded" | "mount" | "unlinkBlob"> => {
  const blobs = new Map<Digest, Blob>()
  const link = (name: RepositoryName, blob: Blob) => {
    const repository = repositories.get(name) ?? new Repository()
    repositories.add(name, repository)
    const { digest } = blob.stored.descriptor
    if (!repository.blobs.has(digest)) blob.members++
    repository.blobs.set(digest, blob)
  }
  return {
    findBlob: (name, digest) => repositories.get(name)?.blobs.get(digest)?.answer ?? none,
    linkUploaded: ({ digest, id, size }) =>
      Effect.suspend((): ReturnType<Service["linkUploaded"]> => {
        const upload = sessions.get(id)
        if (upload === undefined) return Effect.fail(new MetadataStore.UploadUnknown())
        if (upload.offset !== size) return Effect.fail(new MetadataStore.OffsetMismatch({ offset: upload.offset }))
        sessions.close(upload)
        const existing = blobs.get(digest)
        const blob = existing ?? blobOf(digest, size, upload.key)
        blobs.set(digest, blob)
        link(upload.repository, blob)
        return existing === undefined ? none : Effect.succeed(garbage.add(upload))
      }),
    mount: ({ digest, from, repository }) =>
      Effect.sync(() => {
        const blob = from === undefined ? blobs.get(digest) : repositories.get(from)?.blobs.get(digest)
        if (blob !== undefined) link(repository, blob)
        return blob !== undefined
      }),
    unlinkBlob: (name, digest) =>
      Effect.suspend(() => {
        const members = repositories.get(name)?.blobs
        const blob = members?.get(digest)
        if (blob === undefined) return Effect.fail(new MetadataStore.BlobUnknown())
        members?.delete(digest)
        blob.members--
        if (blob.members > 0) return none
        blobs.delete(digest)
        return Effect.succeed(garbage.add({ key: blob.stored.key, token: undefined }))
      })
  }
}
