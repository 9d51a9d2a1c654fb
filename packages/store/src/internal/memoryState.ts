import * as Answer from "@effect-oci/core/Answer"
import type { Digest } from "@effect-oci/core/Digest"
import type { TagOrDigest } from "@effect-oci/core/Operation"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type { BlobKey } from "../BlobStore.js"
import type { Garbage, Upload } from "../MetadataStore.js"
import * as StoreError from "../StoreError.js"
import { DueQueue } from "./dueQueue.js"
import { GarbageList } from "./memoryGarbage.js"
import { Repository } from "./memoryRepository.js"
import type { Blob, Entry } from "./memoryRepository.js"
import { Sessions } from "./memoryUploads.js"
import { OrderedMap } from "./orderedMap.js"
import type { Room } from "./room.js"

const repositoryUnknown = Answer.fail(new StoreError.RepositoryUnknown())
const manifestUnknown = Answer.fail(new StoreError.ManifestUnknown())

/** Content to review: its kind, its repository and its digest. */
export type ReviewId = `${"manifest" | "blob"} ${RepositoryName} ${Digest}`

type Unknown = StoreError.RepositoryUnknown | StoreError.ManifestUnknown

/** All that a metadata store in memory has. */
export class State {
  readonly repositories = new OrderedMap<RepositoryName, Repository>()
  readonly blobs = new OrderedMap<Digest, Blob>()
  /** The repositories that had each blob that was discarded. They have it again when it is linked again. */
  readonly discarded = new Map<Digest, ReadonlyArray<RepositoryName>>()
  readonly sessions = new Sessions()
  readonly garbage = new GarbageList()
  /** The keys of all blobs, upload sessions and garbage. */
  readonly keys = new Set<BlobKey>()
  /** What may have been released, and when. */
  readonly reviews = new DueQueue<ReviewId>()

  constructor(private readonly clock: Clock.Clock, readonly room: Room) {}

  now(): number {
    return this.clock.unsafeCurrentTimeMillis()
  }

  after(duration: Duration.Duration): number {
    return this.now() + Duration.toMillis(duration)
  }

  /** Calls a function with a repository that exists. */
  within<A, E>(
    name: RepositoryName,
    f: (repository: Repository) => Effect.Effect<A, E>
  ): Effect.Effect<A, E | StoreError.RepositoryUnknown> {
    const repository = this.repositories.get(name)
    return repository === undefined ? repositoryUnknown : f(repository)
  }

  /** Calls a function with a manifest that exists. */
  find<A, E = never>(
    name: RepositoryName,
    reference: TagOrDigest,
    f: (entry: Entry, repository: Repository) => Effect.Effect<A, E>
  ): Effect.Effect<A, E | Unknown> {
    return this.within(name, (repository): Effect.Effect<A, E | Unknown> => {
      const entry = repository.find(reference)
      return entry === undefined ? manifestUnknown : f(entry, repository)
    })
  }

  /** Returns a repository, and creates it if it does not exist. */
  repository(name: RepositoryName): Repository {
    const repository = this.repositories.get(name) ?? new Repository(name)
    this.repositories.set(name, repository)
    return repository
  }

  /** Schedules a review of content that may have been released now. */
  schedule(kind: "manifest" | "blob", name: RepositoryName, digest: Digest): void {
    this.reviews.postpone(`${kind} ${name} ${digest}`, this.now())
  }

  addGarbage(garbage: Garbage, notBefore: number): void {
    this.keys.add(garbage.key)
    this.garbage.add(garbage, notBefore)
  }

  /** Ends an upload session. Its bytes become garbage. */
  endUpload(upload: Upload): void {
    this.sessions.close(upload)
    this.addGarbage(upload, this.now())
  }

  /** Removes a blob from a repository. Without another repository that has the blob, its bytes become garbage. */
  unlink(name: RepositoryName, digest: Digest, readable: Duration.Duration): void {
    const members = this.repositories.get(name)?.blobs
    const blob = members?.get(digest)?.blob
    if (blob === undefined) return
    members?.delete(digest)
    blob.members--
    if (blob.members > 0) return
    this.blobs.delete(digest)
    this.addGarbage({ key: blob.stored.key, token: undefined }, this.after(readable))
  }

  /** Removes a blob from all repositories. */
  discard(digest: Digest, readable: Duration.Duration): void {
    const names = this.repositories.page(undefined, Infinity).flatMap(({ blobs, name }) =>
      blobs.delete(digest) ? [name] : []
    )
    this.discarded.set(digest, [...this.discarded.get(digest) ?? [], ...names])
    const key = this.blobs.get(digest)?.stored.key
    this.blobs.delete(digest)
    if (key !== undefined) this.addGarbage({ key, token: undefined }, this.after(readable))
  }

  /** Deletes a manifest. What it refers to, and its referrers, may be released. */
  deleteManifest(entry: Entry, repository: Repository): void {
    const { digest } = entry.manifest.descriptor
    this.room.release(entry.manifest.bytes.byteLength)
    repository.deleteManifest(entry)
    for (const reference of entry.references) {
      if (reference.kind !== "blob") this.schedule("manifest", repository.name, reference.digest)
      if (reference.kind !== "subject") this.schedule("blob", repository.name, reference.digest)
    }
    for (const referrer of repository.listReferrers(digest, undefined, undefined, Infinity)) {
      this.schedule("manifest", repository.name, referrer.digest)
    }
  }
}
