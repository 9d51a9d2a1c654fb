import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as MetadataStore from "../MetadataStore.js"
import * as collect from "./collect.js"
import type { RunningHashes } from "./runningHashes.js"
import type { Settings, Stores } from "./stores.js"

/** Keeps the upload sessions alive that receive now, and collects what has expired and what was released. */
export const make = (stores: Stores, settings: Settings, hashes: RunningHashes) => {
  const { policy, uploadTimeToLive: lives } = settings
  const receiving = new Set<MetadataStore.Upload>()
  let since = 0

  const keepAlive = Effect.suspend(() =>
    Effect.forEach(
      receiving,
      ({ digest, fence, id, offset, token }) =>
        Effect.ignore(stores.metadata.advanceUpload({ id, fence, from: offset, to: offset, token, digest, lives })),
      { discard: true }
    )
  )

  const collectOnce = Effect.suspend(() =>
    Effect.map(collect.run(stores, { policy, since, onProgress: () => Effect.void }), ({ until }) => {
      since = until
    })
  )

  const sweep = collectOnce.pipe(
    Effect.zipRight(Clock.currentTimeMillis),
    Effect.map((now) => hashes.dropOlderThan(now - Duration.toMillis(lives))),
    Effect.catchAllCause((cause) =>
      Effect.logWarning("Expired uploads and garbage could not be removed. The next sweep tries again.", cause)
    )
  )

  return {
    /** Renews the sessions that receive now. Does not wait for the collector, which may take longer than they live. */
    keepAlive,
    sweep,
    expire: collect.expire(stores),
    /** Deletes the garbage that is due, at most one batch. If that fails, the next sweep tries again. */
    release: Effect.catchAllCause(
      Effect.asVoid(collect.deleteGarbage(stores)),
      (cause) => Effect.logDebug("Garbage could not be deleted. The next sweep tries again.", cause)
    ),
    /** Runs an effect that receives or reads the bytes of a session. The session does not expire meanwhile. */
    whileReceiving: <A, E, R>(upload: MetadataStore.Upload, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
      Effect.suspend(() => {
        receiving.add(upload)
        return Effect.ensuring(effect, Effect.sync(() => receiving.delete(upload)))
      })
  }
}

export type Sweeper = ReturnType<typeof make>
