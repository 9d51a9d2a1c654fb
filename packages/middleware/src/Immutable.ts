/**
 * A wrapper that makes tags immutable.
 *
 * Use it for releases: a tag keeps its content, no matter which client pushes.
 *
 * @since 0.1.0
 */
import { Answer, Handler, Operation, ReferenceSet, Registry, RegistryError } from "@effect-oci/core"
import type { Descriptor, Middleware, RepositoryName, Tag } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as RcMap from "effect/RcMap"
import type * as Scope from "effect/Scope"
import { digestOf, isDigestOf, isTypeOf } from "./internal/pushedManifest.js"

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
): Effect.Effect<Middleware.Middleware, never, Scope.Scope> =>
  Effect.map(RcMap.make({ lookup: (_: string) => Effect.makeSemaphore(1) }), (locks) => (next) => {
    const isImmutable = (repository: RepositoryName.RepositoryName, tag: Tag.Tag) =>
      ReferenceSet.contains(select, { repository, tag })

    /**
     * Runs a push while no other push with one of the keys runs. The keys are locked in sorted order, so pushes do not
     * deadlock.
     */
    const locked = <A>(
      { repository }: Operation.PushManifest,
      keys: ReadonlyArray<string>,
      push: Effect.Effect<A, RegistryError.RegistryError>
    ) =>
      keys.toSorted().reduceRight(
        (inner, key) =>
          Effect.scoped(Effect.flatMap(RcMap.get(locks, `${repository} ${key}`), (lock) => lock.withPermits(1)(inner))),
        push
      )

    const find = (operation: Operation.PushManifest, reference: Operation.TagOrDigest) =>
      next(new Operation.ResolveManifest({ repository: operation.repository, reference })).pipe(
        Effect.catchAll((error) =>
          RegistryError.isNotFound(error)
            ? Answer.succeed(undefined)
            : Answer.fail(RegistryError.withFields(error, Operation.errorFields(operation)))
        ),
        Effect.filterOrFail(
          (found) => found === undefined || !isDigestOf(operation, found.digest) || isTypeOf(operation, found),
          (found) =>
            new RegistryError.ManifestInvalid({
              ...Operation.errorFields(operation),
              reason: `manifest invalid: these bytes are stored as a manifest of type ${found?.mediaType}, which is ` +
                "immutable; push them with that type"
            })
        )
      )

    /**
     * Returns the tags that already point at the content. Fails with `Denied` if one of the tags points at other
     * content.
     */
    const look = (operation: Operation.PushManifest, tags: ReadonlyArray<Tag.Tag>) =>
      Effect.reduce(
        tags,
        new Map<Tag.Tag, Descriptor.Descriptor>(),
        (held, tag) =>
          Effect.flatMap(find(operation, tag), (found) =>
            found === undefined || isDigestOf(operation, found.digest)
              ? Answer.succeed(found === undefined ? held : held.set(tag, found))
              : denied(operation, `the tag "${tag}" is immutable, and points at ${found.digest}`))
      )

    /**
     * Pushes the manifest to all tags except those that already point at its content. Pushes it by digest if no tag is
     * left.
     */
    const pushBeside = (operation: Operation.PushManifest, held: ReadonlyMap<Tag.Tag, Descriptor.Descriptor>) => {
      const tags = operation.tags.filter((tag) => !held.has(tag))
      const digest = tags.length === 0 ? digestOf(operation) : operation.digest
      return Effect.map(
        next(new Operation.PushManifest({ ...operation, digest, tags, ifAbsent: true })),
        (pushed) => ({ ...pushed, tags: operation.tags.filter((tag) => held.has(tag) || pushed.tags.includes(tag)) })
      )
    }

    /** Pushes the manifest with `ifAbsent`. Reports a refusal of the next registry as a refusal of this wrapper. */
    const pushImmutable = (operation: Operation.PushManifest, tags: ReadonlyArray<Tag.Tag>) =>
      Effect.catchTag(
        next(new Operation.PushManifest({ ...operation, ifAbsent: true })),
        "Denied",
        (error) =>
          Effect.flatMap(
            look(operation, tags),
            (held) => held.size === 0 ? Answer.fail(error) : pushBeside(operation, held)
          )
      )

    /** Pushes the manifest to the immutable tags with `toImmutable`, and then to the other tags. */
    const push = (
      operation: Operation.PushManifest,
      tags: ReadonlyArray<Tag.Tag>,
      toImmutable: (operation: Operation.PushManifest) => Pushed
    ): Pushed => {
      if (tags.length === 0) return next(operation)
      const others = operation.tags.filter((tag) => !tags.includes(tag))
      if (others.length === 0 || operation.ifAbsent === true) return toImmutable(operation)
      return Effect.flatMap(
        toImmutable(new Operation.PushManifest({ ...operation, tags })),
        (one) =>
          Effect.map(next(new Operation.PushManifest({ ...operation, tags: others })), (other) => ({
            ...other,
            tags: Array.from(new Set(operation.tags)).filter((tag) =>
              one.tags.includes(tag) || other.tags.includes(tag)
            )
          }))
      )
    }

    const pushLocked = (operation: Operation.PushManifest, tags: ReadonlyArray<Tag.Tag>): Pushed =>
      Effect.gen(function*() {
        yield* find(operation, digestOf(operation))
        const held = yield* look(operation, tags)
        // A tag that points at the content by the digest of another algorithm keeps that digest.
        const others = new Map([...held].filter(([, found]) => found.digest !== digestOf(operation)))
        return yield* push(
          operation,
          tags,
          (operation) => others.size > 0 ? pushBeside(operation, others) : pushImmutable(operation, tags)
        )
      })

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
        if (conditional) return push(operation, tags, (operation) => pushImmutable(operation, tags))
        if (!ReferenceSet.touches(select, operation)) return next(operation)
        return locked(operation, [digestOf(operation), ...tags], pushLocked(operation, tags))
      },
      DeleteBlob: deleteByDigest,
      DeleteManifest: deleteByDigest,
      DeleteTag: (operation) =>
        isImmutable(operation.repository, operation.tag)
          ? denied(operation, `the tag "${operation.tag}" is immutable`)
          : next(operation),
      ...Handler.forward("ListRepositories", "ListTags", "ListReferrers")
    })
  })

type Pushed = Effect.Effect<Operation.PushedManifest, RegistryError.RegistryError>

const denied = (operation: Operation.Operation, reason: string): Effect.Effect<never, RegistryError.Denied> =>
  Answer.fail(new RegistryError.Denied({ ...Operation.errorFields(operation), reason }))

/**
 * Creates a layer that makes the tags of the registry below it immutable.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<Registry, never, Registry> => Registry.layer(middleware(options))

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
