/**
 * A registry in front of another, which keeps what was pulled.
 *
 * What for: a mirror near those who pull, which spares the way to a registry and its limits, and goes on where that is
 * down.
 *
 * @since 0.1.0
 */
import { Caller, Handler, Registry } from "@effect-oci/core"
import type { Middleware } from "@effect-oci/core"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as blobRows from "./internal/cache/blobs.js"
import { Books } from "./internal/cache/books.js"
import * as keepers from "./internal/cache/keeper.js"
import * as manifestRows from "./internal/cache/manifests.js"
import * as upstreams from "./internal/cache/upstream.js"
import { writes } from "./internal/cache/writes.js"
import * as members from "./internal/members.js"

/**
 * Where a cache keeps what it has, and how long it believes it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<Store extends members.Source = members.Source> {
  /**
   * The registry that keeps what was pulled, or a layer of it; nobody else should write to it. Best is one that takes
   * manifests before the blobs that they name (`sparseManifests` of the package `store`).
   */
  readonly store: Store
  /** How long it is believed where a tag points: a minute unless said. */
  readonly tagTimeToLive?: Duration.DurationInput | undefined
  /** How long it is believed that something is not there: 10 seconds unless said. */
  readonly negativeTimeToLive?: Duration.DurationInput | undefined
  /**
   * How much longer it is believed where a tag points while the registry behind fails in a way that passes: not at all
   * unless said.
   */
  readonly staleIfError?: Duration.DurationInput | undefined
  /**
   * How much is kept in the store, in bytes of blobs and manifests: no limit unless said. What was not used for longest
   * is deleted from it. A blob of several repositories counts in each.
   */
  readonly maxBytes?: number | undefined
  /** How many blobs are put into the store at once: 64 unless said. Others pass by it meanwhile. */
  readonly maxFills?: number | undefined
  /** How much of a blob that is on its way into the store is held for its readers, in bytes: 4 MiB unless said. */
  readonly window?: number | undefined
  /**
   * How long a reader that has fallen behind this window waits for the store to have the blob, before it goes on from
   * the registry behind: 30 seconds unless said.
   */
  readonly maxWait?: Duration.DurationInput | undefined
  /** How many tags, and how many things that are not there, are remembered: 10,000 unless said. */
  readonly maxRemembered?: number | undefined
  /** How much is held of manifests that are not kept in the store, in bytes. Default: 32 MiB. */
  readonly maxManifestBytes?: number | undefined
  /**
   * Whether the registry behind may serve a manifest by a tag and refuse it by its digest, as a remote registry does
   * that is filtered by tags. The cache then serves a manifest by its digest only after the registry behind has served
   * it by that digest. A `Filter` in this program is noticed without this option. Default: false.
   */
  readonly tagOnly?: boolean | undefined
}

/**
 * Answers reads from the store where it can, and from the registry behind, of which the store then has it.
 *
 * - A blob or a manifest that the store has, in this repository, is served from it by its digest for ever. One that
 *   another repository has is not: whether it is here too the registry behind is asked, and then it is mounted.
 * - A tag is believed for its time to live, and then asked for again; so is that something is not there.
 * - A blob that is missing is fetched once, at the pace of the store, for all who read it. They are given it as it flows;
 *   who is too slow goes on from the store. Nobody who turns away ends the fetch. What breaks, or is not what its digest
 *   says, is not kept, and fails its readers. A range of a blob that is missing passes.
 * - Where the store fails, that is logged, and the registry behind answers.
 * - Writes, deletes and lists go to the registry behind. After a write nothing is believed of its repository that was
 *   before, and what is deleted is deleted from the store; where that fails, so does the delete.
 *
 * **Order.** A cache serves all callers the same, so that what decides who may read belongs round the cache:
 * `upstream.pipe(Cache.wrap({ store }), Authorize.wrap({ allow }))`. A cache does not wrap a registry whose answers depend
 * on the caller (`Handler.dependsOnCaller`): a `Filter` by callers, an `Authorize`, or what is built on one of them. And
 * it reads from upstream as the anonymous caller, so that a wrapper without the mark gives nothing away either.
 *
 * Laws: a hit does not reach the registry behind. The results are what that registry answers the anonymous caller, as
 * long as nobody else writes to it, and as long as it serves by its digest what it serves by a tag. Where it does not,
 * set `tagOnly`.
 *
 * @since 0.1.0
 * @category middleware
 * @throws Error if the answers of the registry behind depend on the caller
 */
export const middleware = (
  options: Options<Registry["Type"]>
): Effect.Effect<Middleware.Middleware, never, Scope.Scope> =>
  Effect.gen(function*() {
    const scope = yield* Effect.scope
    const keeper = keepers.make(options.store.handle)
    const books = options.maxBytes === undefined ? undefined : yield* Books.make(keeper, options.maxBytes)
    const maxRemembered = options.maxRemembered ?? 10_000
    return (behind) => {
      if (Handler.dependsOnCaller(behind)) throw new Error(wrongOrder)
      const next = readingAsAnonymous(behind)
      const upstream = upstreams.make(next, {
        scope,
        maxRemembered,
        negativeTimeToLive: millis(options.negativeTimeToLive, "10 seconds")
      })
      const blobs = blobRows.make(upstream, keeper, books, {
        scope,
        maxFills: options.maxFills ?? 64,
        window: options.window ?? 4 * 1024 * 1024,
        maxWait: millis(options.maxWait, "30 seconds")
      })
      const manifests = manifestRows.make(upstream, keeper, books, {
        maxRemembered,
        tagTimeToLive: millis(options.tagTimeToLive, "1 minute"),
        staleIfError: millis(options.staleIfError, 0),
        maxManifestBytes: options.maxManifestBytes ?? 32 * 1024 * 1024,
        tagOnly: options.tagOnly ?? false
      })
      return Handler.override(next, {
        ...blobs.rows,
        ...manifests.rows,
        ...writes(upstream, keeper, blobs, manifests)
      })
    }
  })

const wrongOrder = "Cache cannot wrap a registry whose answers depend on the caller (Filter by callers, Authorize), " +
  "because it would serve what one caller may read to all; wrap the cache instead: " +
  "upstream.pipe(Cache.wrap({ store }), Authorize.wrap({ allow }))"

const asAnonymous = <A, E, R>(answer: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Handler.exitOf(answer) === undefined ? Effect.provideService(answer, Caller.Caller, Caller.anonymous) : answer

/** What is read is kept for all callers, so that it is read on behalf of none. */
const readingAsAnonymous = (next: Handler.Handler): Handler.Handler =>
  Handler.override(next, {
    ResolveBlob: (operation) => asAnonymous(next(operation)),
    GetBlob: (operation) => asAnonymous(next(operation)),
    ResolveManifest: (operation) => asAnonymous(next(operation)),
    GetManifest: (operation) => asAnonymous(next(operation))
  })

const millis = (duration: Duration.DurationInput | undefined, unlessSaid: Duration.DurationInput): number =>
  Duration.toMillis(duration ?? unlessSaid)

/** The cache over what is in the context, with its store built. */
const inner = <Store extends members.Source>(options: Options<Store>) =>
  Layer.scoped(
    Registry,
    Effect.flatMap(Effect.all([Registry, members.Members]), ([{ handle }, [store]]) =>
      Effect.map(middleware({ ...options, store: store! }), (apply) =>
        Registry.fromHandler(apply(handle))))
  )

/**
 * A layer that caches the registry below it.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = <const Store extends members.Source>(
  options: Options<Store>
): Layer.Layer<
  Registry,
  members.ErrorOf<{ readonly registry: Store }>,
  Registry | members.RequirementsOf<{ readonly registry: Store }>
> => Layer.provide(inner(options), members.layer([options.store])) as never

/**
 * Caches the registry of a layer.
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
export const wrap = <const Store extends members.Source>(options: Options<Store>) =>
<E, R>(
  registry: Layer.Layer<Registry, E, R>
): Layer.Layer<
  Registry,
  E | members.ErrorOf<{ readonly registry: Store }>,
  R | members.RequirementsOf<{ readonly registry: Store }>
> => Layer.provide(inner(options), [registry, members.layer([options.store])]) as never
