/**
 * A cache in front of an upstream registry: a pull-through mirror.
 *
 * Use it near the clients. It saves traffic and rate limit at the upstream, and serves stored content while the
 * upstream is down.
 *
 * @since 0.1.0
 */
import { Answer, Caller, Handler, Operation, Registry } from "@effect-oci/core"
import type { Middleware } from "@effect-oci/core"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { Entry, Journal } from "./CacheJournal.js"
import { none } from "./CacheJournal.js"
import { CachedBlobs } from "./internal/cache/blobs.js"
import { CacheStore } from "./internal/cache/cacheStore.js"
import * as evictionIndex from "./internal/cache/evictionIndex.js"
import { CachedManifests } from "./internal/cache/manifests.js"
import { CachedTags } from "./internal/cache/tags.js"
import { Upstream } from "./internal/cache/upstream.js"
import { writes } from "./internal/cache/writes.js"
import * as members from "./internal/members.js"
import type { ErrorOf, RegistrySource, RequirementsOf } from "./RegistrySource.js"

/**
 * Options for {@link middleware}: where the cache stores content, and how long answers are valid.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<Store extends RegistrySource = RegistrySource> {
  /**
   * The registry that stores the pulled content, or a layer of it. Only the cache may write to it. Prefer a registry
   * that accepts manifests before the blobs that they name, and deletes blobs that manifests refer to
   * (`sparseManifests` of `@effect-oci/store`).
   */
  readonly store: Store
  /** How long a resolved tag is valid. Default: 1 minute. */
  readonly tagTimeToLive?: Duration.DurationInput | undefined
  /** How long a not-found result is valid. Default: 10 seconds. */
  readonly negativeTimeToLive?: Duration.DurationInput | undefined
  /** How much longer an expired tag is served while the upstream fails with a transient error. Default: 0. */
  readonly staleIfError?: Duration.DurationInput | undefined
  /**
   * The maximum size of the content in the store: bytes of blobs and manifests. Above the limit, the cache deletes the
   * least recently used content. A blob in several repositories counts in each. Default: no limit.
   */
  readonly maxBytes?: number | undefined
  /**
   * Keeps the order of use of the content, and the tags, over a restart: see `NodeCacheJournal`. Set it if the store
   * keeps its content. Default: after a restart, content counts for `maxBytes` from its first use, and tags are resolved
   * again.
   */
  readonly journal?: Journal | undefined
  /**
   * How many blobs are pushed into the store at the same time. Meanwhile other blobs are served from the upstream and
   * are not stored. Default: 64.
   */
  readonly maxFills?: number | undefined
  /** How many bytes of a blob are buffered for its readers while it is pushed into the store. Default: 4 MiB. */
  readonly bufferBytes?: number | undefined
  /**
   * How long a reader that is slower than the buffer waits until the store has the blob. After that, it reads the rest
   * from the upstream. Default: 30 seconds.
   */
  readonly maxWait?: Duration.DurationInput | undefined
  /** How many tags, and how many not-found results, are kept in memory. Default: 10,000. */
  readonly maxRemembered?: number | undefined
  /**
   * The maximum size of manifests that are kept in memory because the store does not have them, in bytes. Default: 32
   * MiB.
   */
  readonly maxManifestBytes?: number | undefined
  /**
   * Whether the upstream may serve a manifest by a tag and refuse it by its digest, like a remote registry that filters
   * by tags. Then the cache serves a manifest by its digest only after the upstream has served it by that digest. The
   * cache detects a `Filter` in the same program without this option. Default: `false`.
   */
  readonly tagOnly?: boolean | undefined
}

/**
 * Creates a middleware that serves reads from the store if the store has the content, and otherwise from the upstream,
 * and then stores the content.
 *
 * - A blob or manifest that the store has in this repository is served by its digest without an expiry time. If the
 *   store has it only in another repository, the cache asks the upstream whether this repository has it too, and then
 *   mounts it.
 * - A tag is valid for its time to live, and is then resolved again. The same applies to a not-found result.
 * - A missing blob is fetched once for all its readers, at the pace of the store. The readers receive it as it flows; a
 *   reader that is too slow reads the rest from the store. A reader that disconnects does not stop the fetch. Content
 *   that is incomplete or does not match its digest is not stored, and its readers fail. A range of a missing blob is
 *   forwarded and not stored.
 * - If the store fails, the cache logs the failure and serves from the upstream.
 * - Writes, deletes and lists go to the upstream. After a write, the cache forgets what it knows about the repository.
 *   A delete also deletes from the store; if the store fails, the delete fails.
 *
 * **Order.** A cache serves all callers the same content, so put access control around the cache:
 * `upstream.pipe(Cache.wrap({ store }), Authorize.wrap({ allow }))`. A cache does not wrap a registry whose answers
 * depend on the caller (`Handler.dependsOnCaller`): a `Filter` by caller, an `Authorize`, or a registry that uses one
 * of them. The cache reads from the upstream as the anonymous caller, so a wrapper without that mark leaks nothing
 * either.
 *
 * Laws: a hit does not reach the upstream. The results are those that the upstream returns to the anonymous caller, if
 * no other client writes to the upstream, and if the upstream serves by digest what it serves by tag. If it does not,
 * set `tagOnly`.
 *
 * @since 0.1.0
 * @category middleware
 * @throws Error if the answers of the upstream depend on the caller, or if a cache with a journal wraps two registries
 */
export const middleware = (
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
      if (Handler.dependsOnCaller(next)) throw new Error(wrongOrder)
      if (isWrapped && journal !== none) throw new Error("a Cache with a journal wraps one registry only")
      const tags = isWrapped ? new CachedTags(recorder, maxRemembered) : restoredTags
      isWrapped = true
      const anonymous = readingAsAnonymous(next)
      const upstream = new Upstream(anonymous, {
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
      return Handler.wrap(anonymous, {
        ...blobs.rows,
        ...manifests.rows,
        ...writes(upstream, store, blobs, manifests, tags, recorder),
        ...Handler.forward("StartUpload", "GetUpload", "AppendUpload", "CancelUpload"),
        ...Handler.forward("ListRepositories", "ListTags", "ListReferrers")
      })
    }
  })

const wrongOrder = "Cache cannot wrap a registry whose answers depend on the caller (Filter by callers, Authorize), " +
  "because it would serve what one caller may read to all; wrap the cache instead: " +
  "upstream.pipe(Cache.wrap({ store }), Authorize.wrap({ allow }))"

/** Reads as the anonymous caller, because the cache serves what it reads to all callers. */
const readingAsAnonymous: Middleware.Middleware = (next) => (operation) =>
  Operation.access(operation) === "read"
    ? Answer.ifPending(next(operation), Effect.provideService(Caller.Caller, Caller.anonymous))
    : next(operation)

const millis = (duration: Duration.DurationInput | undefined, byDefault: Duration.DurationInput): number =>
  Duration.toMillis(duration ?? byDefault)

/** Creates the cache over the registry in the context. The store is built. */
const inner = <Store extends RegistrySource>(options: Options<Store>) =>
  Layer.scoped(
    Registry,
    Effect.flatMap(Effect.all([Registry, members.Members]), ([{ handle }, [store]]) =>
      Effect.map(middleware({ ...options, store: store! }), (apply) =>
        Registry.fromHandler(apply(handle))))
  )

/**
 * Creates a layer that requires a registry, and provides that registry with a cache in front of it. {@link wrap} does
 * the same in a pipe.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = <const Store extends RegistrySource>(
  options: Options<Store>
): Layer.Layer<
  Registry,
  ErrorOf<Store>,
  Registry | RequirementsOf<Store>
> => Layer.provide(inner(options), members.layer([options.store])) as never

/**
 * Wraps the registry of a layer with a cache.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import type { Registry } from "@effect-oci/core"
 * import { Cache } from "@effect-oci/middleware"
 * import { Memory } from "@effect-oci/store"
 * import type { Layer } from "effect"
 *
 * const mirror = (upstream: Layer.Layer<Registry>) =>
 *   upstream.pipe(
 *     Cache.wrap({
 *       store: Memory.layer({ sparseManifests: true }),
 *       maxBytes: 10 * 1024 ** 3,
 *       staleIfError: "1 day"
 *     })
 *   )
 * ```
 */
export const wrap = <const Store extends RegistrySource>(options: Options<Store>) =>
<E, R>(
  registry: Layer.Layer<Registry, E, R>
): Layer.Layer<
  Registry,
  E | ErrorOf<Store>,
  R | RequirementsOf<Store>
> => Layer.provide(inner(options), [registry, members.layer([options.store])]) as never
