import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type * as BlobStore from "../BlobStore.js"
import type * as MetadataStore from "../MetadataStore.js"
import type { RunningHashes } from "./runningHashes.js"
import type { Settings, Stores } from "./stores.js"

/** The page size for calls of the store. */
const pageSize = 100

/** Removes expired upload sessions and garbage: bytes to which no metadata refers. */
export const make = ({ blobs, metadata }: Stores, { uploadTimeToLive }: Settings, hashes: RunningHashes) => {
  const timeToLive = Duration.toMillis(uploadTimeToLive)
  const receiving = new Set<MetadataStore.Upload>()

  /** Deletes garbage. If the delete fails, they stay garbage until the next sweep. */
  const deleteBytes = ({ key, token }: MetadataStore.Garbage): Effect.Effect<void> =>
    (token === undefined ? Effect.void : blobs.abort(token)).pipe(
      Effect.zipRight(blobs.delete(key)),
      Effect.zipRight(metadata.forgetGarbage(key)),
      Effect.catchAllCause((cause) =>
        Effect.logDebug("Garbage could not be deleted. The next sweep tries again.", cause)
      )
    )

  const expire: Effect.Effect<void, MetadataStore.Failed> = Effect.gen(function*() {
    const now = yield* Clock.currentTimeMillis
    let expired: ReadonlyArray<MetadataStore.Garbage>
    do {
      expired = yield* metadata.expireUploads(now, pageSize)
      yield* Effect.forEach(expired, deleteBytes, { discard: true })
    } while (expired.length === pageSize)
  })

  const deleteGarbage = Effect.gen(function*() {
    let after: BlobStore.BlobKey | undefined
    do {
      const garbage = yield* metadata.listGarbage(after, pageSize)
      yield* Effect.forEach(garbage, deleteBytes, { discard: true })
      after = garbage.length < pageSize ? undefined : garbage.at(-1)?.key
    } while (after !== undefined)
  })

  const keepAlive = Effect.flatMap(Clock.currentTimeMillis, (now) =>
    Effect.forEach(
      receiving,
      ({ id, offset, token }) =>
        Effect.ignore(metadata.advanceUpload({ id, from: offset, to: offset, token, expiresAt: now + timeToLive })),
      { discard: true }
    ))

  /** Aborts uploads that only the blob store has: a crash between calls of the two stores leaves them behind. */
  const abortStaleUploads = Effect.flatMap(
    Clock.currentTimeMillis,
    (now) =>
      Stream.runForEach(
        blobs.listUploads(now - timeToLive),
        ({ id, token }) => Effect.catchTag(metadata.getUpload(id), "UploadUnknown", () => blobs.abort(token))
      )
  )

  const sweep = keepAlive.pipe(
    Effect.zipRight(expire),
    Effect.zipRight(deleteGarbage),
    Effect.zipRight(abortStaleUploads),
    Effect.zipRight(Effect.map(Clock.currentTimeMillis, (now) => hashes.dropOlderThan(now - timeToLive))),
    Effect.catchAllCause((cause) =>
      Effect.logWarning("Expired uploads and garbage could not be removed. The next sweep tries again.", cause)
    )
  )

  return {
    deleteBytes,
    expire,
    sweep,
    /** Runs an effect that receives a chunk. The upload session does not expire meanwhile. */
    whileReceiving: <A, E, R>(upload: MetadataStore.Upload, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
      Effect.suspend(() => {
        receiving.add(upload)
        return Effect.ensuring(effect, Effect.sync(() => receiving.delete(upload)))
      })
  }
}

export type Sweeper = ReturnType<typeof make>
