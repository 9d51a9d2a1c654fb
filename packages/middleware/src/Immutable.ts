/**
 * A registry whose tags stay where they are.
 *
 * What for: releases that mean tomorrow what they mean today, whoever pushes.
 *
 * @since 0.1.0
 */
import { Handler, Operation, ReferenceSet, Registry, RegistryError } from "@effect-oci/core"
import type { Middleware, RepositoryName, Tag } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Layer from "effect/Layer"
import * as RcMap from "effect/RcMap"
import type * as Scope from "effect/Scope"
import { isContent } from "./internal/isContent.js"

/**
 * What is immutable, and how that is kept.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * The tags that are immutable: all unless said, and for all but `latest`
   * `ReferenceSet.complement(ReferenceSet.tags("latest"))`. Names have no host here, so that `registry(…)` has none.
   */
  readonly select?: ReferenceSet.ReferenceSet | undefined
  /**
   * Whether the registry behind keeps `ifAbsent` (on the wire `If-None-Match: *`): `false` unless said. Those of this
   * project do; many others take it and move the tag.
   *
   * - `true`: a push is one operation, and holds whoever else pushes to that registry.
   * - `false`: pushes of one tag through this wrapper wait for each other, and each looks first where the tag points.
   *   Nobody else may push to the registry, unless it keeps `ifAbsent` after all, with which it is asked in any case.
   */
  readonly conditional?: boolean | undefined
}

/**
 * A tag that is there is not moved and not deleted: `Denied`. To push to it what it points at already succeeds, and
 * changes nothing. No blob or manifest is deleted from a repository that may have immutable tags, since that goes for
 * what the tags stand for. All else passes.
 *
 * A push to several tags moves none if one of them is immutable and elsewhere. Where some of them are immutable and some
 * are not, it is two: first to those that are.
 *
 * Law: twice is once.
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = (
  { conditional = false, select = ReferenceSet.all }: Options = {}
): Effect.Effect<Middleware.Middleware, never, Scope.Scope> =>
  Effect.map(RcMap.make({ lookup: (_: string) => Effect.makeSemaphore(1) }), (locks) => (next) => {
    const isImmutable = (repository: RepositoryName.RepositoryName, tag: Tag.Tag) =>
      ReferenceSet.contains(select, { repository, tag })

    /** In one order, so that no two pushes wait for each other. */
    const locked = <A>(
      repository: RepositoryName.RepositoryName,
      tags: ReadonlyArray<Tag.Tag>,
      push: Effect.Effect<A, RegistryError.RegistryError>
    ) =>
      tags.toSorted().reduceRight(
        (inner, tag) =>
          Effect.scoped(Effect.flatMap(RcMap.get(locks, `${repository}:${tag}`), (lock) => lock.withPermits(1)(inner))),
        push
      )

    /** Whether all tags point at the content already; `Denied` where one points elsewhere. */
    const look = (operation: Operation.PushManifest, tags: ReadonlyArray<Tag.Tag>) =>
      Effect.forEach(
        tags,
        (tag) =>
          next(new Operation.ResolveManifest({ repository: operation.repository, reference: tag })).pipe(
            Effect.matchEffect({
              onFailure: (error) =>
                RegistryError.isNotFound(error)
                  ? Exit.succeed(undefined)
                  : Exit.fail(RegistryError.withFields(error, Operation.errorFields(operation))),
              onSuccess: (found) =>
                isContent(operation, found.digest)
                  ? Exit.succeed(found)
                  : denied(operation, `the tag "${tag}" is immutable, and points at ${found.digest}`)
            })
          )
      )

    /** Puts the manifest where it is absent. Where the registry refuses, that is told in the words of this wrapper. */
    const pushImmutable = (operation: Operation.PushManifest, tags: ReadonlyArray<Tag.Tag>) =>
      Effect.catchTag(
        next(new Operation.PushManifest({ ...operation, ifAbsent: true })),
        "Denied",
        (error) =>
          Effect.flatMap(look(operation, tags), (found) => {
            const [first] = found
            return first !== undefined && found.every((each) => each !== undefined)
              ? Exit.succeed({ ...first, tags })
              : Exit.fail(error)
          })
      )

    const push = (operation: Operation.PushManifest, tags: ReadonlyArray<Tag.Tag>) => {
      const others = operation.tags.filter((tag) => !tags.includes(tag))
      if (others.length === 0 || operation.ifAbsent === true) return pushImmutable(operation, tags)
      return Effect.flatMap(
        pushImmutable(new Operation.PushManifest({ ...operation, tags }), tags),
        (one) =>
          Effect.map(next(new Operation.PushManifest({ ...operation, tags: others })), (other) => ({
            ...other,
            tags: Array.from(new Set(operation.tags)).filter((tag) =>
              one.tags.includes(tag) || other.tags.includes(tag)
            )
          }))
      )
    }

    const deleteByDigest = <O extends Operation.DeleteBlob | Operation.DeleteManifest>(operation: O) =>
      ReferenceSet.touches(select, operation)
        ? denied(operation, "the tags of this repository are immutable, so that nothing is deleted by its digest")
        : next(operation)

    return Handler.override(next, {
      PushManifest: (operation) => {
        const { repository } = operation
        const tags = Array.from(new Set(operation.tags)).filter((tag) => isImmutable(repository, tag))
        if (tags.length === 0) return next(operation)
        if (conditional) return push(operation, tags)
        return locked(repository, tags, Effect.flatMap(look(operation, tags), () => push(operation, tags)))
      },
      DeleteBlob: deleteByDigest,
      DeleteManifest: deleteByDigest,
      DeleteTag: (operation) =>
        isImmutable(operation.repository, operation.tag)
          ? denied(operation, `the tag "${operation.tag}" is immutable`)
          : next(operation)
    })
  })

const denied = (operation: Operation.Operation, reason: string): Exit.Exit<never, RegistryError.Denied> =>
  Exit.fail(new RegistryError.Denied({ ...Operation.errorFields(operation), reason }))

/**
 * A layer that makes the tags of the registry below it immutable.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<Registry, never, Registry> => Registry.layer(middleware(options))

/**
 * Makes the tags of the registry of a layer immutable.
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
 * // Releases stay; `latest` and `nightly-…` move.
 * const releases = (registry: Layer.Layer<Registry>) =>
 *   registry.pipe(
 *     Immutable.wrap({ select: ReferenceSet.complement(ReferenceSet.tags("latest", "nightly-*")), conditional: true })
 *   )
 * ```
 */
export const wrap = (options?: Options): <E, R>(registry: Layer.Layer<Registry, E, R>) => Layer.Layer<Registry, E, R> =>
  Registry.wrap(middleware(options))
