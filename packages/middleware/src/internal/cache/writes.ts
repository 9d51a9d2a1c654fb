import { Manifest, RegistryError } from "@effect-oci/core"
import type { Digest, Handler, Operation, RepositoryName } from "@effect-oci/core"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { AnswerTo } from "../answer.js"
import type { Blobs } from "./blobs.js"
import type { Keeper } from "./cacheStore.js"
import type { Manifests } from "./manifests.js"
import type { Upstream } from "./upstream.js"

type PutBlob = Operation.PushBlob | Operation.MountBlob | Operation.CompleteUpload
type Change = Operation.PushManifest | Operation.DeleteBlob | Operation.DeleteManifest | Operation.DeleteTag
type Ended = Exit.Exit<unknown, RegistryError.RegistryError>
type Drop = Effect.Effect<void, RegistryError.RegistryError>

/** Creates the handlers of writes, which change the upstream and make cached answers about it invalid. */
export const writes = (
  { forget, next, whileChanging }: Upstream,
  keeper: Keeper,
  blobs: Blobs,
  manifests: Manifests
): Pick<Handler.Table, (PutBlob | Change)["_tag"]> => {
  /** Forgets the repository whether the write succeeds or fails: a write that failed may have been executed. */
  const putBlob = <O extends PutBlob>(operation: O): AnswerTo<O> => {
    const { repository } = operation
    return Effect.ensuring(
      Effect.suspend((): AnswerTo<O> => next(operation)),
      Effect.zipRight(forget(repository), blobs.pushed(repository))
    )
  }

  const change = <O extends Change>(
    operation: O,
    after: (exit: Exit.Exit<Operation.ResultOf<O>, RegistryError.RegistryError>) => Drop
  ): Effect.Effect<Operation.ResultOf<O>, RegistryError.RegistryError> => {
    const { repository } = operation
    const asked = Effect.suspend(() =>
      next(operation) as Effect.Effect<Operation.ResultOf<O>, RegistryError.RegistryError>
    )
    return whileChanging(
      repository,
      Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(Effect.exit(restore(asked)), (exit) => {
          manifests.forget(repository)
          return Effect.zipRight(forget(repository), Effect.zipRight(after(exit), exit))
        })
      )
    )
  }

  const tryTo = (operation: Operation.Operation, drop: Drop): Effect.Effect<void> =>
    Effect.catchAll(drop, (error) => keeper.report(operation, error))

  const drop = (repository: RepositoryName.RepositoryName, digest: Digest.Digest) =>
    Effect.zipRight(blobs.drop(repository, digest), manifests.drop(repository, digest))

  return {
    PushBlob: putBlob,
    MountBlob: putBlob,
    CompleteUpload: putBlob,
    PushManifest: (operation) =>
      change(operation, (exit) => {
        const { repository } = operation
        // The manifest may have another media type now.
        if (Exit.isSuccess(exit)) return tryTo(operation, manifests.drop(repository, exit.value.digest))
        // The client may have skipped these blobs because the cache said that they exist.
        return errorOf(exit)?._tag === "ManifestBlobUnknown"
          ? Effect.forEach(pointedAt(operation), (digest) => tryTo(operation, drop(repository, digest)), {
            discard: true
          })
          : Effect.void
      }),
    DeleteBlob: (operation) =>
      change(operation, (exit) => isDone(exit) ? blobs.drop(operation.repository, operation.digest) : Effect.void),
    DeleteManifest: (operation) =>
      change(operation, (exit) => isDone(exit) ? manifests.drop(operation.repository, operation.digest) : Effect.void),
    DeleteTag: (operation) => change(operation, () => Effect.void)
  }
}

const errorOf = (exit: Ended): RegistryError.RegistryError | undefined =>
  Exit.isFailure(exit) ? Option.getOrUndefined(Cause.failureOption(exit.cause)) : undefined

/** Returns whether a delete may have been executed, because it was not refused. */
const isDone = (exit: Ended): boolean => {
  const error = errorOf(exit)
  return error === undefined || RegistryError.isNotFound(error) || RegistryError.isTransient(error)
}

const pointedAt = (operation: Operation.PushManifest): ReadonlyArray<Digest.Digest> =>
  Either.match(Manifest.parse(operation), {
    onLeft: () => [],
    onRight: (document) => Manifest.references(document).map(({ descriptor }) => descriptor.digest)
  })
