import * as Answer from "@effect-oci/core/Answer"
import { octetStream } from "@effect-oci/core/Descriptor"
import type { Digest } from "@effect-oci/core/Digest"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { BlobKey } from "../BlobStore.js"
import type * as MetadataStore from "../MetadataStore.js"
import * as StoreError from "../StoreError.js"
import * as collector from "./memoryCollector.js"
import * as leases from "./memoryLeases.js"
import { Repository } from "./memoryRepository.js"
import type { Blob } from "./memoryRepository.js"
import { State } from "./memoryState.js"
import type { Room } from "./room.js"

type Service = MetadataStore.Service

const none = Answer.succeed(undefined)
const uploadUnknown = Effect.fail(new StoreError.UploadUnknown())
const stale = Effect.fail(new StoreError.Stale())

const blobOf = (digest: Digest, size: number, key: BlobKey): Blob => {
  const stored = { descriptor: { mediaType: octetStream, digest, size }, key }
  return { stored, answer: Answer.succeed(stored), members: 0 }
}

/**
 * Creates a metadata store in memory. A read is settled. A write is one synchronous step when its effect runs. The bytes
 * of manifests count against `room`.
 */
export const make = (room: Room, clock: Clock.Clock): Service => {
  const state = new State(clock, room)
  return {
    ...blobCommands(state),
    ...manifestCommands(state),
    ...uploadCommands(state),
    ...lists(state),
    ...collector.make(state)
  }
}

type BlobCommands = "findBlob" | "linkBlob" | "mount" | "unlinkBlob" | "discardBlob"

/** Creates the commands for blobs. Repositories share the bytes of a blob. */
const blobCommands = (state: State): Pick<Service, BlobCommands> => {
  const add = (name: RepositoryName, blob: Blob, keep: Duration.Duration) => {
    const { blobs } = state.repository(name)
    const { digest } = blob.stored.descriptor
    const membership = blobs.get(digest) ?? { blob, leasedUntil: 0 }
    if (!blobs.has(digest)) blob.members++
    blobs.set(digest, membership)
    leases.extend(membership, state.now(), keep)
    state.schedule("blob", name, digest)
  }
  return {
    findBlob: (name, digest, keep) => {
      const membership = state.repositories.get(name)?.blobs.get(digest)
      if (membership === undefined) return none
      if (keep !== undefined) leases.renew(membership, state.now(), keep)
      return membership.blob.answer
    },
    linkBlob: ({ digest, keep, key, repository, size, upload }) =>
      Effect.suspend((): ReturnType<Service["linkBlob"]> => {
        const existing = state.blobs.get(digest)
        const session = upload === undefined ? undefined : state.sessions.get(upload.id, state.now())
        if (session !== undefined && session.fence !== upload?.fence) return stale
        if (upload !== undefined && session === undefined) {
          const linked = state.repositories.get(repository)?.blobs.get(digest)
          return linked !== undefined && (linked.blob.stored.key === key || state.garbage.has(key))
            ? linked.blob.answer
            : uploadUnknown
        }
        if (existing === undefined && state.garbage.has(key)) return uploadUnknown
        if (session !== undefined) {
          state.sessions.close(session)
          if (session.key !== key) state.keys.delete(session.key)
        }
        const blob = existing ?? blobOf(digest, size, key)
        state.blobs.set(digest, blob)
        if (blob.stored.key === key) state.keys.add(key)
        else state.addGarbage({ key, token: session?.token }, state.now())
        add(repository, blob, keep)
        if (existing === undefined) {
          for (const name of state.discarded.get(digest) ?? []) add(name, blob, Duration.zero)
          state.discarded.delete(digest)
        }
        return blob.answer
      }),
    mount: ({ digest, from, keep, repository }) =>
      Effect.sync(() => {
        const blob = from === undefined
          ? state.blobs.get(digest)
          : state.repositories.get(from)?.blobs.get(digest)?.blob
        if (blob !== undefined) add(repository, blob, keep)
        return blob !== undefined
      }),
    unlinkBlob: ({ digest, evenIfReferenced, readable, repository: name }) =>
      Effect.suspend((): ReturnType<Service["unlinkBlob"]> => {
        const repository = state.repositories.get(name)
        if (!repository?.blobs.has(digest)) return Effect.fail(new StoreError.BlobUnknown())
        const by = evenIfReferenced ? undefined : repository.sourceOfBlob(digest)
        if (by !== undefined) return Effect.fail(new StoreError.Referenced({ by }))
        state.unlink(name, digest, readable)
        return Effect.void
      }),
    discardBlob: ({ digest, key, readable }) =>
      Effect.sync(() => {
        if (state.blobs.get(digest)?.stored.key === key) state.discard(digest, readable)
      })
  }
}

type ManifestCommands =
  | "putManifest"
  | "resolveManifest"
  | "getManifest"
  | "inspectManifest"
  | "deleteManifest"
  | "deleteTag"

const manifestCommands = (state: State): Pick<Service, ManifestCommands> => ({
  putManifest: (put) =>
    Effect.suspend((): ReturnType<Service["putManifest"]> => {
      const name = put.repository
      const repository = state.repositories.get(name) ?? new Repository(name)
      const refusal = repository.refusal(put)
      if (refusal !== undefined) return Effect.fail(refusal)
      const { bytes, descriptor } = put.manifest
      const isNew = repository.find(descriptor.digest) === undefined
      if (isNew && !state.room.take(bytes.byteLength)) return Effect.fail(new StoreError.Full())
      for (const digest of state.repository(name).put(put, state.now())) state.schedule("manifest", name, digest)
      state.schedule("manifest", name, descriptor.digest)
      return Effect.void
    }),
  resolveManifest: (name, reference, keep) =>
    state.find(name, reference, (entry) => {
      if (keep !== undefined) leases.renew(entry, state.now(), keep)
      return entry.descriptor
    }),
  getManifest: (name, reference) => state.find(name, reference, (entry) => entry.answer),
  inspectManifest: (name, digest) => state.find(name, digest, ({ manifest }) => Effect.succeed(manifest.bytes)),
  deleteManifest: (name, digest, evenIfReferenced) =>
    Effect.suspend(() =>
      state.find(name, digest, (entry, repository): Effect.Effect<void, StoreError.Referenced> => {
        const by = evenIfReferenced ? undefined : repository.parentOf(digest)
        if (by !== undefined) return Effect.fail(new StoreError.Referenced({ by }))
        state.deleteManifest(entry, repository)
        return Effect.void
      })
    ),
  deleteTag: (name, tag, pointsAt) =>
    Effect.suspend(() =>
      state.find(name, tag, ({ manifest }, repository): Effect.Effect<void, StoreError.ManifestUnknown> => {
        const { digest } = manifest.descriptor
        if (pointsAt !== undefined && pointsAt !== digest) return Effect.fail(new StoreError.ManifestUnknown())
        repository.deleteTag(tag)
        state.schedule("manifest", name, digest)
        return Effect.void
      })
    )
})

type UploadCommands = "createUpload" | "getUpload" | "claimUpload" | "advanceUpload" | "endUpload"

const uploadCommands = (state: State): Pick<Service, UploadCommands> => {
  const find = <A, E>(id: string, f: (upload: MetadataStore.Upload) => Effect.Effect<A, E>) =>
    Effect.suspend((): Effect.Effect<A, E | StoreError.UploadUnknown> => {
      const upload = state.sessions.get(id, state.now())
      return upload === undefined ? uploadUnknown : f(upload)
    })
  return {
    createUpload: (created, lives, limits) =>
      Effect.suspend(() => {
        const upload = { ...created, token: undefined, offset: 0, digest: undefined, fence: 0 }
        const evicted = state.sessions.open(upload, state.after(lives), limits)
        if (evicted === undefined) return Effect.fail(new StoreError.TooManyUploads())
        state.keys.add(upload.key)
        for (const other of evicted) state.addGarbage(other, state.now())
        return Effect.void
      }),
    getUpload: (id) => find(id, Effect.succeed),
    claimUpload: (id, lives) =>
      find(id, (upload) => {
        const claimed = { ...upload, fence: upload.fence + 1 }
        state.sessions.update(claimed, state.after(lives))
        return Effect.succeed(claimed)
      }),
    advanceUpload: ({ digest, fence, from, id, lives, to, token }) =>
      find(id, (upload): Effect.Effect<void, StoreError.Stale | StoreError.OffsetMismatch> => {
        if (upload.fence !== fence) return stale
        if (upload.offset !== from && !(upload.offset === to && upload.token === token)) {
          return Effect.fail(new StoreError.OffsetMismatch({ offset: upload.offset }))
        }
        state.sessions.update({ ...upload, offset: to, token, digest }, state.after(lives))
        return Effect.void
      }),
    endUpload: (id) => find(id, (upload) => Effect.sync(() => state.endUpload(upload)))
  }
}

type Lists =
  | "listTags"
  | "listReferrers"
  | "listRepositories"
  | "inspectTags"
  | "inspectManifests"
  | "inspectBlobs"

const lists = (state: State): Pick<Service, Lists> => ({
  listTags: (name, after, n) => state.within(name, (repository) => Effect.succeed(repository.listTags(after, n))),
  listReferrers: (name, subject, artifactType, after, n) =>
    Effect.sync(() => state.repositories.get(name)?.listReferrers(subject, artifactType, after, n) ?? []),
  listRepositories: (after, n) => Effect.sync(() => state.repositories.page(after, n).map(({ name }) => name)),
  inspectTags: (name, after, n) =>
    Effect.suspend(() => state.within(name, (repository) => Effect.succeed(repository.inspectTags(after, n)))),
  inspectManifests: (name, after, n) =>
    Effect.suspend(() => state.within(name, (repository) => Effect.succeed(repository.inspectManifests(after, n)))),
  inspectBlobs: (after, n) => Effect.sync(() => state.blobs.page(after, n).map(({ stored }) => stored))
})
