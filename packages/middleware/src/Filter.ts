/**
 * A wrapper that shows only a part of a registry.
 *
 * Use it to publish some repositories or tags of a registry, to protect some from changes, or to give each caller a
 * view.
 *
 * @since 0.1.0
 */
import { Answer, Caller, Handler, Operation, ReferenceSet, Registry, RegistryError } from "@effect-oci/core"
import type { Middleware, RepositoryName, Tag } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { atMost } from "./internal/atMost.js"
import * as tagOnly from "./internal/tagOnly.js"
import { uploadInstead } from "./internal/uploadInstead.js"

/**
 * Options for {@link middleware}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * The visible set, or a function from the caller to the set. The function is called at each operation. It should
   * return the same set object each time, because results are cached for each set object.
   */
  readonly select: ReferenceSet.ReferenceSet | ((caller: Caller.Identity) => ReferenceSet.ReferenceSet)
  /**
   * The `host[:port]` of this registry in sets that name hosts. Default: none, so a set `registry(…)` matches nothing
   * here.
   */
  readonly registry?: string | undefined
}

/**
 * Creates a middleware that shows the references in a set. It reports all other content as not found, without asking
 * the registry.
 *
 * - A repository is visible if any reference of it may be in the set. In a hidden repository, reads fail with
 *   `NameUnknown`, and reads of blobs with `BlobUnknown`, as in a repository that does not exist. A hidden tag or
 *   digest fails with `ManifestUnknown`. Lists do not contain hidden items, and `limit` counts visible items.
 * - Writes to hidden references fail with `Denied`, whether they exist or not. All tags of a push must be in the set.
 * - A manifest by its digest is a reference without a tag, and so are its referrers. A set `tags(…)` contains such
 *   references only in a union with `untagged`. The blobs of a repository are visible if the repository is.
 * - A delete by digest affects all tags, so it needs a repository in which nothing is hidden.
 * - A mount from a hidden repository, or without a source, starts an upload session instead.
 *
 * Laws: `Filter(a)` followed by `Filter(b)` equals `Filter(a ∩ b)`, in either order; `Filter(all)` equals the registry
 * itself. The results are exactly equal because two filters by sets, one directly around the other, are merged into
 * one. With another wrapper between them, a repository in which each filter shows only what the other hides is visible,
 * but empty.
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = ({ registry, select }: Options): Middleware.Middleware => (next) =>
  typeof select === "function" ? ofCallers(select, registry, next) : ofSet(select, registry, next)

/** The filters by sets, so that two of them can be merged. */
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
  const visible = visibleIn(set, registry)
  const { has, hasAll, hasSome } = visible

  const blob = <O extends Operation.ResolveBlob | Operation.GetBlob>(operation: O): Answer.Answer<O> =>
    hasSome(operation.repository)
      ? next(operation)
      : Answer.fail(new RegistryError.BlobUnknown(Operation.errorFields(operation)))

  const manifest = <O extends Operation.ResolveManifest | Operation.GetManifest>(
    operation: O
  ): Answer.Answer<O> => {
    const { reference, repository } = operation
    if (has(repository, Operation.isDigest(reference) ? undefined : reference)) return next(operation)
    return hasSome(repository)
      ? Answer.fail(new RegistryError.ManifestUnknown(Operation.errorFields(operation)))
      : nameUnknown(operation)
  }

  const write = <O extends Within>(operation: O): Answer.Answer<O> =>
    hasSome(operation.repository)
      ? next(operation)
      : denied(operation, "the filter allows no writes to this repository")

  const deleteByDigest = <O extends Operation.DeleteBlob | Operation.DeleteManifest>(
    operation: O
  ): Answer.Answer<O> =>
    hasAll(operation.repository)
      ? next(operation)
      : denied(operation, "the filter does not allow all of this repository, so that nothing is deleted by its digest")

  return Handler.fromTable({
    ResolveBlob: blob,
    GetBlob: blob,
    ResolveManifest: manifest,
    // A cache must not serve by digest a manifest that this filter serves only by tag.
    GetManifest: (operation) =>
      Operation.isDigest(operation.reference) || has(operation.repository, undefined)
        ? manifest(operation)
        : Answer.map(manifest(operation), tagOnly.mark),
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
    PushManifest: (operation) =>
      hasSome(operation.repository) ? pushManifest(operation, visible, next) : write(operation),
    DeleteBlob: deleteByDigest,
    DeleteManifest: deleteByDigest,
    DeleteTag: (operation) =>
      !hasSome(operation.repository) || has(operation.repository, operation.tag)
        ? write(operation)
        : denied(operation, notAllowed(operation.tag)),
    ListRepositories: (operation) =>
      Answer.map(
        next(new Operation.ListRepositories({ last: operation.last })),
        (names) => atMost(Stream.filter(names, hasSome), operation.limit)
      ),
    ListTags: (operation) => {
      const { last, limit, repository } = operation
      if (hasAll(repository)) return next(operation)
      if (!hasSome(repository)) return nameUnknown(operation)
      return Answer.map(
        next(new Operation.ListTags({ repository, last })),
        (tags) => atMost(Stream.filter(tags, (tag) => has(repository, tag)), limit)
      )
    },
    ListReferrers: (operation) => has(operation.repository, undefined) ? next(operation) : Answer.succeed(Stream.empty)
  })
}

/** What is visible of a repository: a tag or, without a tag, what has none; something; or everything. */
interface Visible {
  readonly has: (repository: Name, tag: Tag.Tag | undefined) => boolean
  readonly hasSome: (repository: Name) => boolean
  readonly hasAll: (repository: Name) => boolean
}

const visibleIn = (set: ReferenceSet.ReferenceSet, registry: string | undefined): Visible => {
  const hidden = ReferenceSet.complement(set)
  return {
    has: (repository, tag) => ReferenceSet.contains(set, { registry, repository, tag }),
    hasSome: (repository) => ReferenceSet.touches(set, { registry, repository }),
    hasAll: (repository) => !ReferenceSet.touches(hidden, { registry, repository })
  }
}

const pushManifest = (
  operation: Operation.PushManifest,
  { has }: Visible,
  next: Handler.Handler
): Answer.Answer<Operation.PushManifest> => {
  const { repository, tags } = operation
  if (tags.length === 0 && !has(repository, undefined)) {
    return denied(operation, "the filter allows no pushes without a tag to this repository")
  }
  const refused = tags.find((tag) => !has(repository, tag))
  return refused === undefined ? next(operation) : denied(operation, notAllowed(refused))
}

const nameUnknown = (operation: Operation.Operation): Effect.Effect<never, RegistryError.NameUnknown> =>
  Answer.fail(new RegistryError.NameUnknown(Operation.errorFields(operation)))

const denied = (operation: Operation.Operation, reason: string): Effect.Effect<never, RegistryError.Denied> =>
  Answer.fail(new RegistryError.Denied({ ...Operation.errorFields(operation), reason }))

const notAllowed = (tag: Tag.Tag): string => `the filter does not allow the tag "${tag}"`

/**
 * Creates a layer that requires a registry, and provides the visible part of that registry. {@link wrap} does the same
 * in a pipe.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options): Layer.Layer<Registry, never, Registry> =>
  Registry.layerMiddleware(middleware(options))

/**
 * Wraps the registry of a layer so that only a part of it is visible.
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
