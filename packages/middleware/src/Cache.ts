/**
 * A cache in front of an upstream registry: a pull-through mirror.
 *
 * Use it near the clients. It saves traffic and rate limit at the upstream, and serves stored content while the
 * upstream is down.
 *
 * @since 0.1.0
 */
import { Answer, Caller, Handler, Operation } from "@effect-oci/core"
import type { Middleware, Registry } from "@effect-oci/core"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { Options } from "./CacheOptions.js"
import { overStore } from "./internal/cache/overStore.js"
import * as shared from "./internal/cache/shared.js"
import * as members from "./internal/members.js"
import type { ErrorOf, RegistrySource, RequirementsOf } from "./RegistrySource.js"

export type { Options } from "./CacheOptions.js"

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
 * depend on the caller (`Handler.dependsOnCaller`): a `Filter` by caller, an `Authorize`, a client with the credentials of
 * each caller, or a registry that uses one of them; `AsCaller` is a cache for these. The cache reads from the upstream as the anonymous caller, so a wrapper without that mark leaks nothing
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
  Effect.map(shared.make(options), (over) => (next) => {
    if (Handler.dependsOnCaller(next)) throw new Error(wrongOrder)
    return over(readingAsAnonymous(next))
  })

const wrongOrder = "Cache cannot wrap a registry whose answers depend on the caller (Filter by callers, Authorize), " +
  "because it would serve what one caller may read to all; wrap the cache instead: " +
  "upstream.pipe(Cache.wrap({ store }), Authorize.wrap({ allow })), or use AsCaller in place of Cache"

/** Reads as the anonymous caller, because the cache serves what it reads to all callers. */
const readingAsAnonymous: Middleware.Middleware = (next) => (operation) =>
  Operation.access(operation) === "read"
    ? Answer.ifPending(next(operation), Effect.provide(nobody))
    : next(operation)

const nobody = Context.make(Caller.Caller, Caller.anonymous).pipe(Context.add(Caller.Presented, undefined))

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
> => Layer.provide(overStore(options, middleware), [registry, members.layer([options.store])]) as never
