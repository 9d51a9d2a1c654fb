import { Manifest, RegistryError } from "@effect-oci/core"
import type { Answer, Digest, Handler, Operation, RepositoryName } from "@effect-oci/core"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { Recorder } from "../../CacheJournal.js"
import type { CachedBlobs } from "./blobs.js"
import type { CacheStore } from "./cacheStore.js"
import type { CachedManifests } from "./manifests.js"
import type { CachedTags } from "./tags.js"
import type { Upstream } from "./upstream.js"

type PutBlob = Operation.PushBlob | Operation.MountBlob | Operation.CompleteUpload
type Change = Operation.PushManifest | Operation.DeleteBlob | Operation.DeleteManifest | Operation.DeleteTag
type Result<O extends Change> = Exit.Exit<Operation.ResultOf<O>, RegistryError.RegistryError>
type Drop = Effect.Effect<void, RegistryError.RegistryError>

/** Creates the handlers of writes, which change the upstream and make cached answers about it invalid. */
export const writes = (
  upstream: Upstream,
  store: CacheStore,
  blobs: CachedBlobs,
  manifests: CachedManifests,
  tags: CachedTags,
  recorder: Recorder
): Pick<Handler.Table, (PutBlob | Change)["_tag"]> => {
  /** Forgets the repository whether the write succeeds or fails: a write that failed may have been executed. */
  const putBlob = <O extends PutBlob>(operation: O): Answer.Answer<O> => {
    const { repository } = operation
    return Effect.ensuring(
      Effect.suspend((): Answer.Answer<O> => upstream.next(operation)),
      Effect.zipRight(upstream.forget(repository), blobs.pushed(repository))
    )
  }

  const change = <O extends Change>(operation: O, after: (result: Result<O>) => Drop) => {
    const { repository } = operation
    const answer = Effect.suspend(() =>
      upstream.next(operation) as Effect.Effect<Operation.ResultOf<O>, RegistryError.RegistryError>
    )
    return upstream.whileChanging(
      repository,
      Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(Effect.exit(restore(answer)), (result) => {
          tags.forget(repository)
          // A client that has its answer sees its own write, also after a restart.
          const forgotten = Effect.zipRight(upstream.forget(repository), recorder.written)
          return forgotten.pipe(Effect.zipRight(after(result)), Effect.zipRight(result))
        })
      )
    )
  }

  const tryToDrop = (operation: Operation.Operation, drop: Drop): Effect.Effect<void> =>
    Effect.catchAll(drop, (error) => store.reportFailure(operation, error))

  const dropAll = (repository: RepositoryName.RepositoryName, digest: Digest.Digest) =>
    Effect.zipRight(blobs.drop(repository, digest), manifests.drop(repository, digest))

  return {
    PushBlob: putBlob,
    MountBlob: putBlob,
    CompleteUpload: putBlob,
    PushManifest: (operation) =>
      change(operation, (result) => {
        const { repository } = operation
        // The manifest may have another media type now.
        if (Exit.isSuccess(result)) return tryToDrop(operation, manifests.drop(repository, result.value.digest))
        if (errorOf(result)?._tag !== "OciManifestBlobUnknown") return Effect.void
        // The client may have skipped these blobs because the cache said that they exist.
        return Effect.forEach(
          referencedDigests(operation),
          (digest) => tryToDrop(operation, dropAll(repository, digest)),
          { discard: true }
        )
      }),
    DeleteBlob: (operation) =>
      change(
        operation,
        (result) => mayBeDone(result) ? blobs.drop(operation.repository, operation.digest) : Effect.void
      ),
    DeleteManifest: (operation) =>
      change(
        operation,
        (result) => mayBeDone(result) ? manifests.drop(operation.repository, operation.digest) : Effect.void
      ),
    DeleteTag: (operation) => change(operation, () => Effect.void)
  }
}

const errorOf = (result: Result<Change>): RegistryError.RegistryError | undefined =>
  Exit.isFailure(result) ? Option.getOrUndefined(Cause.failureOption(result.cause)) : undefined

/** Returns whether a delete may have been executed, because it was not refused. */
const mayBeDone = (result: Result<Change>): boolean => {
  const error = errorOf(result)
  return error === undefined || RegistryError.isNotFound(error) || RegistryError.isTransient(error)
}

const referencedDigests = (operation: Operation.PushManifest): ReadonlyArray<Digest.Digest> =>
  Either.match(Manifest.parse(operation), {
    onLeft: () => [],
    onRight: (document) => Manifest.references(document).map(({ descriptor }) => descriptor.digest)
  })
