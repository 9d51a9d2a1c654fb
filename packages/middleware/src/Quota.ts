/**
 * A wrapper that limits how much repositories contain.
 *
 * Use it to give each team its share of a registry.
 *
 * @since 0.1.0
 */
import { Handler, Registry } from "@effect-oci/core"
import type { Caller, Middleware, RepositoryName } from "@effect-oci/core"
import * as Duration from "effect/Duration"
import type * as Layer from "effect/Layer"
import { Pushes } from "./internal/quota/pushes.js"
import type { Ledger, Limit } from "./QuotaLedger.js"

/**
 * Options for {@link middleware}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * The limits, or a function that returns the limits for a push into a repository, for example one for the first part of
   * its name. A push needs space under all limits whose prefix contains the repository. One limit for each prefix.
   */
  readonly limits:
    | ReadonlyArray<Limit>
    | ((
      push: { readonly repository: RepositoryName.RepositoryName; readonly caller: Caller.Identity }
    ) => ReadonlyArray<Limit>)
  /** Knows how much is used. */
  readonly ledger: Ledger
  /** How long a push may take that needs space, such as that of a blob in one request. Default: 1 hour. */
  readonly lease?: Duration.DurationInput | undefined
}

/**
 * Creates a middleware that refuses pushes above a limit: they fail with `Denied`, and the reason contains the numbers.
 *
 * - A push reserves its space in the ledger before it is forwarded. So concurrent pushes never exceed a limit together.
 * - The first request that shows the excess fails: `StartUpload` if no bytes are left, `PushBlob`, `AppendUpload` and
 *   `MountBlob` by their size, and `PushManifest` by its bytes and its new tags.
 * - A push of content that the repository has needs no space. Deletes and the collector give space back.
 * - A mount without a source starts an upload session instead, because its size is not known.
 * - If the ledger fails, pushes fail with `Unavailable`.
 *
 * Law: below all limits, it changes only mounts without a source.
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = ({ lease = "1 hour", ledger, limits }: Options): Middleware.Middleware => (next) => {
  const limitsOf = typeof limits === "function" ? limits : () => limits
  const pushes = new Pushes({ limitsOf, ledger, lease: Duration.decode(lease) }, next)
  return Handler.wrap(next, {
    ...Handler.forward("ResolveBlob", "GetBlob", "ResolveManifest", "GetManifest"),
    PushBlob: (operation) => {
      const { descriptor: { digest, size }, repository } = operation
      return pushes.push(operation, pushes.blob(repository, digest, size), () => next(operation))
    },
    MountBlob: (operation) => pushes.mount(operation),
    StartUpload: (operation) => pushes.check(operation, 1, () => next(operation)),
    ...Handler.forward("GetUpload"),
    AppendUpload: (operation) =>
      pushes.check(operation, (operation.offset ?? 0) + (operation.body.size ?? 1), () => next(operation)),
    CompleteUpload: (operation) => pushes.complete(operation),
    ...Handler.forward("CancelUpload"),
    PushManifest: (operation) => pushes.push(operation, pushes.manifest(operation), () => next(operation)),
    ...Handler.forward("DeleteBlob", "DeleteManifest", "DeleteTag"),
    ...Handler.forward("ListRepositories", "ListTags", "ListReferrers")
  })
}

/**
 * Creates a layer that requires a registry, and provides that registry with limits. {@link wrap} does the same in a pipe.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options): Layer.Layer<Registry, never, Registry> =>
  Registry.layerMiddleware(middleware(options))

/**
 * Wraps the registry of a layer with limits on what it contains.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { RepositoryName } from "@effect-oci/core"
 * import type { Registry } from "@effect-oci/core"
 * import { Quota } from "@effect-oci/middleware"
 * import type { QuotaLedger } from "@effect-oci/middleware"
 * import type { Layer } from "effect"
 *
 * const shared = (registry: Layer.Layer<Registry>, ledger: QuotaLedger.Ledger) =>
 *   registry.pipe(
 *     Quota.wrap({
 *       ledger,
 *       limits: [{ bytes: 1024 ** 4 }, { prefix: RepositoryName.make("team"), bytes: 10 * 1024 ** 3, tags: 1000 }]
 *     })
 *   )
 * ```
 */
export const wrap = (options: Options): <E, R>(registry: Layer.Layer<Registry, E, R>) => Layer.Layer<Registry, E, R> =>
  Registry.wrap(middleware(options))
