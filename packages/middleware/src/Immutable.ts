/**
 * A wrapper that makes tags immutable.
 *
 * Use it for releases: a tag keeps its content, no matter which client pushes.
 *
 * @since 0.1.0
 */
import { Handler, ReferenceSet, Registry } from "@effect-oci/core"
import type { Middleware, Operation, RepositoryName, Tag } from "@effect-oci/core"
import * as KeyedMutex from "@effect-oci/core/KeyedMutex"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { denied, ImmutablePushes } from "./internal/immutable/pushes.js"
import { digestOf } from "./internal/pushedManifest.js"

/**
 * Options for {@link middleware}: which tags are immutable, and how the wrapper enforces that.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * The tags that are immutable. For all tags but `latest`, use `ReferenceSet.complement(ReferenceSet.tags("latest"))`.
   * Names have no host here, so a set `registry(…)` matches nothing. Default: all tags.
   */
  readonly select?: ReferenceSet.ReferenceSet | undefined
  /**
   * Whether the next registry enforces `ifAbsent` (HTTP `If-None-Match: *`) and one media type for each digest. The
   * registries of this project do. Many other registries accept `ifAbsent` and move the tag. Default: `false`.
   *
   * - `true`: a push is one operation, and tags are immutable even if other clients push to the next registry.
   * - `false`: two pushes of the same tag or digest through this wrapper run one after the other, and each push first
   *   resolves its tags and its digest. No other client may push to the next registry, unless that registry enforces
   *   `ifAbsent`. The wrapper sends `ifAbsent` in both cases.
   */
  readonly conditional?: boolean | undefined
}

/**
 * Creates a middleware that does not move or delete an existing tag: such an operation fails with `Denied`. A push of
 * the content that the tag points at succeeds and leaves the tag unchanged. Content that is pushed by the digest of
 * another algorithm is served by that digest too. A manifest keeps its media type, because a new type would change what
 * its tags serve: such a push fails with `ManifestInvalid`. A repository that may have immutable tags deletes no blob
 * or manifest by digest, because the tags may point at it. All other operations are forwarded.
 *
 * A push with `ifMatch` creates no immutable tag: it succeeds only if the tag points at its manifest already.
 *
 * A push to several tags moves no tag if one of them is immutable and points at other content. If only some of the tags
 * are immutable, the push becomes two pushes: first to the immutable tags, then to the others.
 *
 * Law: applying it twice equals applying it once.
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = (
  { conditional = false, select = ReferenceSet.all }: Options = {}
): Effect.Effect<Middleware.Middleware> =>
  Effect.sync(() => {
    const locked = KeyedMutex.make()
    return (next) => {
      const pushes = new ImmutablePushes(next)
      const isImmutable = (repository: RepositoryName.RepositoryName, tag: Tag.Tag) =>
        ReferenceSet.contains(select, { repository, tag })
      const deleteByDigest = <O extends Operation.DeleteBlob | Operation.DeleteManifest>(operation: O) =>
        ReferenceSet.touches(select, operation)
          ? denied(operation, "the tags of this repository are immutable, so that nothing is deleted by its digest")
          : next(operation)

      return Handler.wrap(next, {
        ...Handler.forward("ResolveBlob", "GetBlob", "ResolveManifest", "GetManifest", "PushBlob", "MountBlob"),
        ...Handler.forward("StartUpload", "GetUpload", "AppendUpload", "CompleteUpload", "CancelUpload"),
        PushManifest: (operation) => {
          const { repository } = operation
          const tags = Array.from(new Set(operation.tags)).filter((tag) => isImmutable(repository, tag))
          if (conditional) return pushes.push(operation, tags)
          if (!ReferenceSet.touches(select, operation)) return next(operation)
          const keys = [digestOf(operation), ...tags].map((key) => `${repository} ${key}`)
          return locked(...keys)(pushes.checkAndPush(operation, tags))
        },
        DeleteBlob: deleteByDigest,
        DeleteManifest: deleteByDigest,
        DeleteTag: (operation) =>
          isImmutable(operation.repository, operation.tag)
            ? denied(operation, `the tag "${operation.tag}" is immutable`)
            : next(operation),
        ...Handler.forward("ListRepositories", "ListTags", "ListReferrers")
      })
    }
  })

/**
 * Creates a layer that requires a registry, and provides that registry with immutable tags. {@link wrap} does the same
 * in a pipe.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<Registry, never, Registry> =>
  Registry.layerMiddleware(middleware(options))

/**
 * Wraps the registry of a layer so that its tags are immutable.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { ReferenceSet } from "@effect-oci/core"
 * import type { Registry } from "@effect-oci/core"
 * import { Immutable } from "@effect-oci/middleware"
 * import type { Layer } from "effect"
 *
 * // Tags of releases are immutable; `latest` and `nightly-…` can move.
 * const releases = (registry: Layer.Layer<Registry>) =>
 *   registry.pipe(
 *     Immutable.wrap({ select: ReferenceSet.complement(ReferenceSet.tags("latest", "nightly-*")), conditional: true })
 *   )
 * ```
 */
export const wrap = (options?: Options): <E, R>(registry: Layer.Layer<Registry, E, R>) => Layer.Layer<Registry, E, R> =>
  Registry.wrap(middleware(options))
