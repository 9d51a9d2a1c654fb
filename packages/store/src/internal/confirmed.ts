import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Schedule from "effect/Schedule"
import type * as MetadataStore from "../MetadataStore.js"
import * as StoreError from "../StoreError.js"
import type { Stores } from "./stores.js"

type CommandFailure = MetadataStore.CommandFailure
type Service = MetadataStore.Service

/** The first repetition follows at once. */
const repetitions = Schedule.intersect(Schedule.exponential("20 millis"), Schedule.recurs(5))

const isFailure = ({ _tag }: { readonly _tag: string }): boolean =>
  _tag === "OciStoreOutcomeUnknown" || _tag === "OciStoreFailed"

/** After a lost answer, a failure of a repetition does not say that the first command had no effect. */
const stillUnknown = <E extends { readonly _tag: string }>(error: E): E | StoreError.OutcomeUnknown =>
  error._tag === "OciStoreFailed" ? new StoreError.OutcomeUnknown({ cause: error }) : error

/**
 * Runs a command again if the connection broke before the store confirmed it. `onRepeated` judges the result of the
 * repetition: "already done" is success.
 */
const confirm = <A, E extends { readonly _tag: string }>(
  command: Effect.Effect<A, E | CommandFailure>,
  onRepeated: (repeated: Effect.Effect<A, E | CommandFailure>) => Effect.Effect<A, E | CommandFailure> = identity
): Effect.Effect<A, E | CommandFailure> =>
  Effect.catchAll(command, (error) =>
    error._tag === "OciStoreOutcomeUnknown"
      ? onRepeated(
        Effect.mapError(
          Effect.retry(command, { while: isFailure, schedule: repetitions }),
          stillUnknown<E | CommandFailure>
        )
      )
      : Effect.fail(error))

/** Accepts an error that says that a repeated delete took effect the first time. */
const orGone = (tag: string) => <E extends { readonly _tag: string }>(repeated: Effect.Effect<void, E>) =>
  Effect.catchIf(repeated, ({ _tag }) => _tag === tag, () => Effect.void)

/** Returns the same stores, whose commands are run again if their outcome is unknown. */
export const make = ({ blobs, metadata }: Stores): Stores => {
  /**
   * Judges a repeated link. If the first one took effect, the blob may have been deleted before the second one. Then the
   * session is unknown, or the second link refers to deleted bytes.
   */
  const linked = (link: Parameters<Service["linkBlob"]>[0]) => (repeated: ReturnType<Service["linkBlob"]>) =>
    repeated.pipe(
      Effect.tap((stored) => link.upload === undefined && stored.key === link.key ? present(link) : Effect.void),
      Effect.catchTag("OciStoreUploadUnknown", (error) =>
        Effect.flatMap(
          metadata.findBlob(link.repository, link.digest),
          (stored) => stored === undefined ? Effect.fail(error) : Effect.succeed(stored)
        ))
    )
  const present = ({ digest, keep, key, repository }: Parameters<Service["linkBlob"]>[0]) =>
    Effect.scoped(blobs.read(key)).pipe(
      Effect.retry({ while: isFailure, schedule: repetitions }),
      Effect.catchAll((cause): Effect.Effect<never, CommandFailure> =>
        cause._tag === "OciStoreNotFound"
          ? Effect.zipRight(
            Effect.ignore(metadata.unlinkBlob({ repository, digest, evenIfReferenced: true, readable: keep })),
            Effect.fail(new StoreError.Failed({ cause }))
          )
          : Effect.fail(new StoreError.OutcomeUnknown({ cause }))
      )
    )
  return {
    blobs,
    metadata: {
      ...metadata,
      linkBlob: (link) => confirm(metadata.linkBlob(link), linked(link)),
      mount: (mount) => confirm(metadata.mount(mount)),
      unlinkBlob: (unlink) => confirm(metadata.unlinkBlob(unlink), orGone("OciStoreBlobUnknown")),
      discardBlob: (discard) => confirm(metadata.discardBlob(discard)),
      putManifest: (put) => confirm(metadata.putManifest(put)),
      deleteManifest: (repository, digest, evenIfReferenced) =>
        confirm(metadata.deleteManifest(repository, digest, evenIfReferenced), orGone("OciStoreManifestUnknown")),
      deleteTag: (repository, tag, pointsAt) =>
        confirm(metadata.deleteTag(repository, tag, pointsAt), orGone("OciStoreManifestUnknown")),
      createUpload: (upload, lives, limits) => confirm(metadata.createUpload(upload, lives, limits)),
      claimUpload: (id, lives) => confirm(metadata.claimUpload(id, lives)),
      advanceUpload: (advance) => confirm(metadata.advanceUpload(advance)),
      endUpload: (id) => confirm(metadata.endUpload(id), orGone("OciStoreUploadUnknown")),
      expireUploads: (n) => confirm(metadata.expireUploads(n)),
      review: (policy, n) => confirm(metadata.review(policy, n)),
      claimGarbage: (n, lease) => confirm(metadata.claimGarbage(n, lease)),
      forgetGarbage: (keys) => confirm(metadata.forgetGarbage(keys))
    }
  }
}
