/**
 * A registry of which a part is kept and the rest is hidden.
 *
 * What for: to publish some repositories or tags of a registry, to keep some from being changed, and to show each caller
 * what is theirs.
 *
 * @since 0.1.0
 */
import { Caller, Handler, Operation, ReferenceSet, Registry, RegistryError } from "@effect-oci/core"
import type { Middleware, RepositoryName, Tag } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as answer from "./internal/answer.js"
import { atMost } from "./internal/atMost.js"
import * as tagOnly from "./internal/tagOnly.js"
import { uploadInstead } from "./internal/uploadInstead.js"

/**
 * What is kept.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * The set of what is kept, or that of whoever asks, which is read at each operation. A function does best to give the
   * same set again, rather than an equal one: what is worked out of a set is kept with it.
   */
  readonly select: ReferenceSet.ReferenceSet | ((caller: Caller.Identity) => ReferenceSet.ReferenceSet)
  /** The `host[:port]` by which the sets know this registry: none unless said, so that nothing here is in `registry(…)`. */
  readonly registry?: string | undefined
}

/**
 * Keeps what is in a set, and answers about the rest as if it were not there, without asking the registry.
 *
 * - A repository is there if anything in it may be in the set. One that is hidden is `NameUnknown` to those who read,
 *   and its blobs `BlobUnknown`, as those of a repository that is absent; a tag or digest that is hidden is
 *   `ManifestUnknown`, and no list has them. `limit` counts what is listed.
 * - Writes to what is hidden are `Denied`, whether it is there or not. All tags of a push must be in the set.
 * - A manifest by its digest is a reference without a tag, and so are its referrers: sets of `tags(…)` do not have them
 *   but by the union with `untagged`. The blobs of a repository are there if it is.
 * - What is deleted by a digest goes for all tags, so that it takes a repository of which nothing is hidden.
 * - A mount from a hidden repository goes on as an upload, and so does one that names no source.
 *
 * Laws: `Filter(a)` and then `Filter(b)` is `Filter(a ∩ b)`, in either order; `Filter(all)` is the registry itself. That
 * they tell the same to the letter is because two filters of sets, one directly round the other, are made into one.
 * With something between them, a repository in which each shows what the other hides is still there, with nothing in it.
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = ({ registry, select }: Options): Middleware.Middleware => (next) =>
  typeof select === "function" ? ofCallers(select, registry, next) : ofSet(select, registry, next)

/** The filters of sets, to make two of them into one. */
const filters = new WeakMap<
  Handler.Handler,
  { readonly set: ReferenceSet.ReferenceSet; readonly registry: string | undefined; readonly next: Handler.Handler }
>()

const ofSet = (
  set: ReferenceSet.ReferenceSet,
  registry: string | undefined,
  next: Handler.Handler
): Handler.Handler => {
  if (ReferenceSet.equals(set, ReferenceSet.all)) return next
  const inner = filters.get(next)
  if (inner !== undefined && inner.registry === registry) {
    return ofSet(ReferenceSet.intersection(inner.set, set), registry, inner.next)
  }
  const filter = view(set, registry, next)
  filters.set(filter, { set, registry, next })
  return filter
}

const ofCallers = (
  select: (caller: Caller.Identity) => ReferenceSet.ReferenceSet,
  registry: string | undefined,
  next: Handler.Handler
): Handler.Handler => {
  const views = new WeakMap<ReferenceSet.ReferenceSet, Handler.Handler>()
  return Handler.dependingOnCaller((operation) =>
    Effect.flatMap(Caller.Caller, (caller) => {
      const set = select(caller)
      let handle = views.get(set)
      if (handle === undefined) views.set(set, handle = ofSet(set, registry, next))
      return handle(operation)
    })
  )
}

type Within = Exclude<Operation.Operation, Operation.ListRepositories>
type Name = RepositoryName.RepositoryName

const view = (
  set: ReferenceSet.ReferenceSet,
  registry: string | undefined,
  next: Handler.Handler
): Handler.Handler => {
  const hidden = ReferenceSet.complement(set)
  const has = (repository: Name, tag: Tag.Tag | undefined) => ReferenceSet.contains(set, { registry, repository, tag })
  const hasSome = (repository: Name) => ReferenceSet.touches(set, { registry, repository })
  const hasAll = (repository: Name) => !ReferenceSet.touches(hidden, { registry, repository })

  const blob = <O extends Operation.ResolveBlob | Operation.GetBlob>(operation: O): answer.AnswerTo<O> =>
    hasSome(operation.repository)
      ? next(operation)
      : Exit.fail(new RegistryError.BlobUnknown(Operation.errorFields(operation)))

  const manifest = <O extends Operation.ResolveManifest | Operation.GetManifest>(
    operation: O
  ): answer.AnswerTo<O> => {
    const { reference, repository } = operation
    if (has(repository, Operation.isDigest(reference) ? undefined : reference)) return next(operation)
    return hasSome(repository)
      ? Exit.fail(new RegistryError.ManifestUnknown(Operation.errorFields(operation)))
      : nameUnknown(operation)
  }

  const write = <O extends Within>(operation: O): answer.AnswerTo<O> =>
    hasSome(operation.repository)
      ? next(operation)
      : denied(operation, "the filter allows no writes to this repository")

  const deleteByDigest = <O extends Operation.DeleteBlob | Operation.DeleteManifest>(
    operation: O
  ): answer.AnswerTo<O> =>
    hasAll(operation.repository)
      ? next(operation)
      : denied(operation, "the filter does not allow all of this repository, so that nothing is deleted by its digest")

  return Handler.fromTable({
    ResolveBlob: blob,
    GetBlob: blob,
    ResolveManifest: manifest,
    // A cache must not serve by its digest what is served here by its tag alone.
    GetManifest: (operation) =>
      Operation.isDigest(operation.reference) || has(operation.repository, undefined)
        ? manifest(operation)
        : answer.map(manifest(operation), tagOnly.mark),
    PushBlob: write,
    MountBlob: (operation) =>
      !hasSome(operation.repository) || (operation.from !== undefined && hasSome(operation.from))
        ? write(operation)
        : uploadInstead(next, operation),
    StartUpload: write,
    GetUpload: write,
    AppendUpload: write,
    CompleteUpload: write,
    CancelUpload: write,
    PushManifest: (operation) => {
      const { repository, tags } = operation
      if (!hasSome(repository)) return write(operation)
      if (tags.length === 0 && !has(repository, undefined)) {
        return denied(operation, "the filter allows no pushes without a tag to this repository")
      }
      const refused = tags.find((tag) => !has(repository, tag))
      return refused === undefined ? next(operation) : denied(operation, notAllowed(refused))
    },
    DeleteBlob: deleteByDigest,
    DeleteManifest: deleteByDigest,
    DeleteTag: (operation) =>
      !hasSome(operation.repository) || has(operation.repository, operation.tag)
        ? write(operation)
        : denied(operation, notAllowed(operation.tag)),
    ListRepositories: (operation) =>
      answer.map(
        next(new Operation.ListRepositories({ last: operation.last })),
        (names) => atMost(Stream.filter(names, hasSome), operation.limit)
      ),
    ListTags: (operation) => {
      const { last, limit, repository } = operation
      if (hasAll(repository)) return next(operation)
      if (!hasSome(repository)) return nameUnknown(operation)
      return answer.map(
        next(new Operation.ListTags({ repository, last })),
        (tags) => atMost(Stream.filter(tags, (tag) => has(repository, tag)), limit)
      )
    },
    ListReferrers: (operation) => has(operation.repository, undefined) ? next(operation) : Exit.succeed(Stream.empty)
  })
}

const nameUnknown = (operation: Operation.Operation): Exit.Exit<never, RegistryError.NameUnknown> =>
  Exit.fail(new RegistryError.NameUnknown(Operation.errorFields(operation)))

const denied = (operation: Operation.Operation, reason: string): Exit.Exit<never, RegistryError.Denied> =>
  Exit.fail(new RegistryError.Denied({ ...Operation.errorFields(operation), reason }))

const notAllowed = (tag: Tag.Tag): string => `the filter does not allow the tag "${tag}"`

/**
 * A layer that keeps a part of the registry below it.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options): Layer.Layer<Registry, never, Registry> => Registry.layer(middleware(options))

/**
 * Keeps a part of the registry of a layer.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { ReferenceSet } from "@effect-oci/core"
 * import type { Registry } from "@effect-oci/core"
 * import { Filter } from "@effect-oci/middleware"
 * import type { Layer } from "effect"
 *
 * const published = ReferenceSet.prefix("public/")
 * const everything = ReferenceSet.all
 *
 * const face = (registry: Layer.Layer<Registry>) =>
 *   registry.pipe(Filter.wrap({ select: (caller) => caller.name === "alice" ? everything : published }))
 * ```
 */
export const wrap = (options: Options): <E, R>(registry: Layer.Layer<Registry, E, R>) => Layer.Layer<Registry, E, R> =>
  Registry.wrap(middleware(options))
