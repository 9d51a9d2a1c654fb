/**
 * A cache in front of an upstream registry whose answers depend on the caller.
 *
 * Use it for private content: the callers share what is cached, and the upstream decides for each caller, with the
 * caller's own credentials, what the caller may read.
 *
 * @since 0.1.0
 */
import { Answer, Handler, Operation, RegistryError } from "@effect-oci/core"
import type { Middleware, Registry } from "@effect-oci/core"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type * as Cache from "./Cache.js"
import { Rights } from "./internal/asCaller/rights.js"
import { overStore } from "./internal/cache/overStore.js"
import * as shared from "./internal/cache/shared.js"
import * as members from "./internal/members.js"
import type { ErrorOf, RegistrySource, RequirementsOf } from "./RegistrySource.js"

/**
 * Options for {@link middleware}: where the cache stores content, and how long the upstream's decisions are valid. Those
 * of the content are options of `Cache`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<Store extends RegistrySource = RegistrySource>
  extends
    Omit<Cache.Options<Store>, "tagTimeToLive" | "negativeTimeToLive" | "staleIfError" | "tagOnly" | "maxRemembered">
{
  /**
   * How long a decision of the upstream is valid: that a caller may read a blob or a manifest, and where a tag points for
   * the caller. A caller who loses a right keeps it for this time. `0` asks the upstream about each operation. Default: 1
   * minute.
   */
  readonly timeToLive?: Duration.DurationInput | undefined
  /**
   * How much longer an expired decision is valid while the upstream fails with a transient error. Default: 0, so nothing is
   * served while the upstream cannot decide.
   */
  readonly staleIfError?: Duration.DurationInput | undefined
  /** How many decisions are kept in memory. Default: 100,000. */
  readonly maxRemembered?: number | undefined
}

type Get = Operation.GetBlob | Operation.GetManifest
type Change = Operation.PushManifest | Operation.DeleteBlob | Operation.DeleteManifest | Operation.DeleteTag

type Content<O extends Operation.Operation> = Effect.Effect<Operation.ResultOf<O>, RegistryError.RegistryError>

/**
 * Creates a middleware that stores the content that callers pull, and serves it to every caller who may read it at the
 * upstream.
 *
 * - Before each read the upstream is asked, as the caller, whether the caller may read this blob, manifest or tag
 *   (`HEAD`), unless it granted this to the same caller within `timeToLive`. A decision belongs to one identity with its
 *   claims, its network and the credentials that it presented, to one repository, and to one digest or tag.
 * - If the upstream refuses, the caller receives the upstream's error. A refusal is not kept, and concerns no other caller.
 * - If the upstream grants the read, the content comes from the store by its digest. Missing content is pulled as the
 *   caller, once for all callers who may read it, and stored. If that fails, each of them reads from the upstream itself.
 * - A tag is resolved for each caller.
 * - Lists, uploads and writes go to the upstream as the caller. A change of manifests or tags makes the decisions about
 *   the repository invalid.
 *
 * The caller of an operation is `Caller`, with the credentials in `Caller.Presented`: an upstream is a client with
 * `Credentials.layerCaller`, a `Filter` by caller, or any other registry that depends on the caller.
 *
 * Laws: a caller gets only what the upstream has granted to that caller within `timeToLive`. With a
 * `timeToLive` of 0, the results are those of the upstream.
 *
 * @since 0.1.0
 * @category middleware
 * @throws Error if a cache with a journal wraps two registries
 */
export const middleware = (
  options: Options<Registry["Type"]>
): Effect.Effect<Middleware.Middleware, never, Scope.Scope> =>
  // The cache reads by digest only, and a not-found result for one caller must not be that of another.
  Effect.map(shared.make({ ...options, negativeTimeToLive: 0, staleIfError: 0 }), (over) => (next) => {
    const cached = over(next)
    const rights = new Rights(next, {
      timeToLive: Duration.toMillis(options.timeToLive ?? "1 minute"),
      staleIfError: Duration.toMillis(options.staleIfError ?? 0),
      maxRemembered: options.maxRemembered ?? 100_000
    })

    /**
     * Serves the content of the operation `stored` from the cache. If that fails, the caller reads from the upstream, because
     * the failure may be that of another caller.
     */
    const serve = <O extends Get>(operation: O, stored: O): Answer.Answer<O> =>
      Effect.catchAll(cached(stored) as Content<O>, () => next(operation) as Content<O>) as Answer.Answer<O>

    /** Returns the answer to a caller whose right was not confirmed. A response to HEAD may lack what one to GET has. */
    const unconfirmed = <O extends Get>(operation: O) => (error: RegistryError.RegistryError): Content<O> =>
      RegistryError.isTransient(error)
        ? Answer.fail(RegistryError.withFields(error, Operation.errorFields(operation)))
        : next(operation) as Content<O>

    const change = <O extends Change>(operation: O): Answer.Answer<O> =>
      Effect.ensuring(cached(operation) as Content<O>, rights.forget(operation.repository)) as Answer.Answer<O>

    return Handler.dependingOnCaller(Handler.wrap(cached, {
      ResolveBlob: (operation) => rights.resolve(operation),
      GetBlob: (operation) =>
        Effect.matchEffect(rights.resolve(new Operation.ResolveBlob(operation)), {
          onSuccess: () => serve(operation, operation),
          onFailure: unconfirmed(operation)
        }),
      ResolveManifest: (operation) => rights.resolve(operation),
      GetManifest: (operation) =>
        Effect.matchEffect(rights.resolve(new Operation.ResolveManifest(operation)), {
          onSuccess: ({ digest }) => serve(operation, new Operation.GetManifest({ ...operation, reference: digest })),
          onFailure: unconfirmed(operation)
        }),
      ...Handler.forward("PushBlob", "MountBlob", "StartUpload", "GetUpload", "AppendUpload", "CompleteUpload"),
      ...Handler.forward("CancelUpload"),
      PushManifest: change,
      DeleteBlob: change,
      DeleteManifest: change,
      DeleteTag: change,
      ...Handler.forward("ListRepositories", "ListTags", "ListReferrers")
    }))
  })

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
> => Layer.provide(overStore(options, middleware), members.layer([options.store])) as never

/**
 * Wraps the registry of a layer, whose answers depend on the caller, with a cache.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import type { Registry } from "@effect-oci/core"
 * import { AsCaller } from "@effect-oci/middleware"
 * import { Memory } from "@effect-oci/store"
 * import type { Layer } from "effect"
 *
 * const mirror = (upstream: Layer.Layer<Registry>) =>
 *   upstream.pipe(
 *     AsCaller.wrap({
 *       store: Memory.layer({ sparseManifests: true }),
 *       maxBytes: 10 * 1024 ** 3,
 *       timeToLive: "5 minutes"
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
> => Layer.provide(overStore(options, middleware), [registry, members.layer([options.store])]) as never
