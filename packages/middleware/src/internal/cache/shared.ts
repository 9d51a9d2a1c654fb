import { Handler } from "@effect-oci/core"
import type { Middleware, Registry } from "@effect-oci/core"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Entry } from "../../CacheJournal.js"
import { none } from "../../CacheJournal.js"
import type { Options } from "../../CacheOptions.js"
import { CachedBlobs } from "./blobs.js"
import { CacheStore } from "./cacheStore.js"
import * as evictionIndex from "./evictionIndex.js"
import { CachedManifests } from "./manifests.js"
import { CachedTags } from "./tags.js"
import { Upstream } from "./upstream.js"
import { writes } from "./writes.js"

/**
 * Creates a cache that serves what it has to every caller, and reads from the upstream as the caller who first needs the
 * content. The wrapper around it makes the reads anonymous, or checks the right of each caller.
 */
export const make = (
  options: Options<Registry["Type"]>
): Effect.Effect<Middleware.Middleware, never, Scope.Scope> =>
  Effect.gen(function*() {
    const scope = yield* Effect.scope
    const store = new CacheStore(options.store.handle)
    const journal = options.journal ?? none
    const known: Array<{ readonly snapshot: () => Iterable<Entry> }> = []
    const { entries, recorder } = yield* journal(() => known.flatMap((part) => Array.from(part.snapshot())))
    const index = yield* evictionIndex.make(store, options.maxBytes, recorder, entries)
    const maxRemembered = options.maxRemembered ?? 10_000
    const restoredTags = new CachedTags(recorder, maxRemembered, entries)
    known.push(index, restoredTags)
    let isWrapped = false
    return (next) => {
      if (isWrapped && journal !== none) throw new Error("a Cache with a journal wraps one registry only")
      const tags = isWrapped ? new CachedTags(recorder, maxRemembered) : restoredTags
      isWrapped = true
      const upstream = new Upstream(next, {
        scope,
        maxRemembered,
        negativeTimeToLive: millis(options.negativeTimeToLive, "10 seconds")
      })
      const blobs = new CachedBlobs(upstream, store, index, {
        scope,
        maxFills: options.maxFills ?? 64,
        bufferBytes: options.bufferBytes ?? 4 * 1024 * 1024,
        maxWait: millis(options.maxWait, "30 seconds")
      })
      const manifests = new CachedManifests(upstream, store, index, tags, {
        tagTimeToLive: millis(options.tagTimeToLive, "1 minute"),
        staleIfError: millis(options.staleIfError, 0),
        maxManifestBytes: options.maxManifestBytes ?? 32 * 1024 * 1024,
        tagOnly: options.tagOnly ?? false
      })
      return Handler.wrap(next, {
        ...blobs.rows,
        ...manifests.rows,
        ...writes(upstream, store, blobs, manifests, tags, recorder),
        ...Handler.forward("StartUpload", "GetUpload", "AppendUpload", "CancelUpload"),
        ...Handler.forward("ListRepositories", "ListTags", "ListReferrers")
      })
    }
  })

const millis = (duration: Duration.DurationInput | undefined, byDefault: Duration.DurationInput): number =>
  Duration.toMillis(duration ?? byDefault)
