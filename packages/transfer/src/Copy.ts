/**
 * Copies of whole artifacts from one registry to another.
 *
 * @since 0.1.0
 */
import { RegistryError } from "@effect-oci/core"
import type { Descriptor, Digest, Operation, Tag } from "@effect-oci/core"
import { Platform } from "@effect-oci/resolver"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as DistributionSource from "./DistributionSource.js"
import * as Graph from "./Graph.js"
import * as blobs from "./internal/blobs.js"
import { isIndex as isIndexType } from "./internal/links.js"
import { patient } from "./internal/patience.js"
import * as rewriting from "./internal/rewrite.js"
import { lookup, marked, needed, sameRegistry } from "./internal/targetState.js"
import * as unread from "./internal/unread.js"
import * as Progress from "./Progress.js"

/**
 * One end of a copy: a repository of a registry. `host` is the registry's name: where both ends have the same, blobs are
 * mounted, and it is what {@link DistributionSource} calls it.
 *
 * @since 0.1.0
 * @category models
 */
export interface End extends Graph.Source {
  readonly host?: string | undefined
}

/**
 * What is copied.
 *
 * @since 0.1.0
 * @category models
 */
export interface Source extends End {
  readonly reference: Operation.TagOrDigest
}

/**
 * The target of a copy.
 *
 * @since 0.1.0
 * @category models
 */
export interface Target extends End {
  /** The tags that the copy gets. Default: the tag of the source, if its reference is one. */
  readonly tags?: ReadonlyArray<Tag.Tag> | undefined
  /** The digest that the copy must have. The copy fails with `DigestInvalid` before it writes anything if it has another. */
  readonly digest?: Digest.Digest | undefined
}

/**
 * How a copy is made.
 *
 * @since 0.1.0
 * @category options
 */
export interface Options extends Graph.Options {
  /**
   * Copies the image for one platform in place of the index that lists it. Fails with `ManifestUnknown` if there is none,
   * also if the source is a single image for another platform. Default: the index with all its images.
   */
  readonly platform?: Platform.Platform | undefined
  /** Like `platform`, but for an index alone: a single image is copied whatever its platform. Default: none. */
  readonly indexPlatform?: Platform.Platform | undefined
  /**
   * Changes each manifest before it is pushed, such as `Transform.dockerConfig`. Manifests that point at a changed one
   * change too, and so do the digests: signatures are no longer valid. The result may point only at content of the source.
   */
  readonly transform?: rewriting.Transform | undefined
  /** How many blobs are copied at once, and how many manifests. Default: 4. */
  readonly concurrency?: number | undefined
  /**
   * How often the upload of a blob is resumed from the last byte that arrived, or started again where credentials were
   * asked for in the middle of it. Default: 3 times.
   */
  readonly retries?: number | undefined
  /**
   * How long to wait for a registry that has answered and then refuses or breaks connections: while it restarts, say.
   * Default: 30 seconds.
   */
  readonly retryTime?: Duration.DurationInput | undefined
  /** Sends larger blobs in chunks of so many bytes, for a target that accepts no larger requests. Default: whole blobs. */
  readonly chunkSize?: number | undefined
  /** Fails with `Denied` where one of the tags points elsewhere already. */
  readonly ifAbsent?: boolean | undefined
  /** Only reports what a copy would do. */
  readonly dryRun?: boolean | undefined
}

type Answer<A> = Effect.Effect<A, RegistryError.RegistryError>

/**
 * Copies a manifest and all that belongs to it: the manifests and blobs that it points at, and what refers to any of
 * them, unless `withoutReferrers`.
 *
 * The target is asked what it has, and nothing that is there is moved. Blobs are mounted where both ends share a
 * registry, or where an annotation says that the target's registry has them elsewhere; the rest is streamed, at most
 * `concurrency` at once. A manifest comes after what it points at, and the tags come last, so that no tag ever stands for
 * something incomplete. A copy that failed or was interrupted can be made again: what has arrived is not moved again,
 * and where there is a {@link Progress.Progress} an interrupted upload is resumed.
 *
 * A target that has a manifest is taken to have all that it points at, as registries see to when it is pushed.
 *
 * Spec: "Pushing Manifests", "Mounting a blob from another repository", "Listing Referrers".
 *
 * @throws RangeError where `chunkSize`, `concurrency` or `retries` is no number that it can be
 * @since 0.1.0
 * @category copies
 * @example
 * ```ts
 * import { Registry, RepositoryName, Tag } from "@effect-oci/core"
 * import { Copy } from "@effect-oci/transfer"
 *
 * const promote = (from: Registry["Type"], to: Registry["Type"]) =>
 *   Copy.copy(
 *     { registry: from, repository: RepositoryName.make("team/app"), reference: Tag.make("v1") },
 *     { registry: to, repository: RepositoryName.make("releases/app") }
 *   )
 * ```
 */
export const copy = (source: Source, target: Target, options: Options = {}): Answer<Progress.Summary> => {
  check(options)
  return copying(source, target, options)
}

const copying = (given: Source, into: Target, options: Options): Answer<Progress.Summary> =>
  Effect.gen(function*() {
    const { retryTime = "30 seconds" } = options
    const source = { ...given, registry: patient(given.registry, retryTime) }
    const target = {
      ...into,
      registry: given.registry === into.registry ? source.registry : patient(into.registry, retryTime)
    }
    const { concurrency = 4, dryRun = false, filter, platforms, transform } = options
    const progress = Option.getOrUndefined(yield* Effect.serviceOption(Progress.Progress))
    const tags = target.tags ?? (source.reference.includes(":") ? [] : [source.reference as Tag.Tag])
    const has = lookup(source, target, tags, options.ifAbsent ?? false)

    const named = yield* source.registry.getManifest(source.repository, source.reference)
    const isIndex = isIndexType(named.descriptor.mediaType)
    const platform = options.platform ?? (isIndex ? options.indexPlatform : undefined)
    const root = platform === undefined
      ? named
      : yield* Platform.image(source.registry, source.repository, named, platform)
    const rewrites = [filter, platforms, transform].some((option) => option !== undefined)

    let tagged = tags.length === 0
    const asked = (digest: () => Digest.Digest) => (descriptor: Descriptor.Descriptor) =>
      descriptor.digest === digest()
        ? Effect.map(has.root(descriptor), (found) => {
          tagged = found.tagged
          return found.existed
        })
        : has.exists(descriptor)
    const graph = rewrites
      ? yield* Graph.read(source, root, options, () => Effect.succeed(false)).pipe(
        Effect.flatMap((read) => rewriting.rewrite(read, { filter, transform })),
        Effect.flatMap((rewritten) => marked(rewritten, asked(() => rewritten.root), concurrency))
      )
      : yield* Graph.read(source, root, options, asked(() => root.descriptor.digest))

    const last = graph.nodes.get(graph.root)!
    if (target.digest !== undefined && target.digest !== graph.root) {
      return yield* new RegistryError.DigestInvalid({
        repository: target.repository,
        reference: target.digest,
        reason: `the copy would be ${graph.root}, not ${target.digest} as the target's reference requires`
      })
    }
    const wanted = needed(graph, root)
    const nodes = [...graph.nodes.values()]
    const missing = nodes.filter(({ existed }) => !existed)
    progress?.tell(Progress.Event.Planned({
      totals: {
        manifests: nodes.length,
        existed: nodes.length - missing.length,
        blobs: wanted.length,
        bytes: wanted.reduce((sum, { size }) => sum + size, 0)
      }
    }))
    for (const { descriptor, existed } of nodes) if (existed) progress?.tell(Progress.Event.Existed({ descriptor }))

    const finished = (summary: Progress.Summary) => {
      progress?.tell(Progress.Event.Copied({ summary }))
      return summary
    }

    const { foresee, see } = blobs.mover({
      source,
      target,
      uploadsOf: into.registry,
      candidates: candidates(source, target),
      retries: options.retries ?? 3,
      chunkSize: options.chunkSize,
      progress
    })
    const outcomes = yield* Effect.forEach(wanted, dryRun ? foresee : see, { concurrency })
    const count = (outcome: blobs.Outcome) => outcomes.filter((each) => each === outcome).length
    const summary: Progress.Summary = {
      descriptor: last.descriptor,
      tags: tagged ? [] : tags,
      digestTags: [...graph.digestTags.keys()],
      manifests: { pushed: missing.length, existed: nodes.length - missing.length },
      blobs: { moved: count("moved"), mounted: count("mounted"), existed: count("existed") },
      bytes: wanted.reduce((sum, { size }, index) => outcomes[index] === "moved" ? sum + size : sum, 0)
    }
    if (dryRun) return finished(summary)

    const push = (node: Graph.Node, tags: ReadonlyArray<Tag.Tag>) => pushManifest(node, source, target, tags, options)
    const ownTags = (node: Graph.Node) =>
      [...graph.digestTags].flatMap(([tag, { digest }]) => digest === node.descriptor.digest ? [tag] : [])
    const steps = Graph.steps(graph)
    const withTags = steps.at(-1)?.[0]?.descriptor.digest === graph.root && steps.at(-1)?.length === 1
    for (const step of steps) {
      const absent = step.filter(({ descriptor, existed }) =>
        !existed && !(withTags && descriptor.digest === graph.root)
      )
      yield* Effect.forEach(absent, (node) => followed(node, progress, push(node, ownTags(node))), {
        concurrency,
        discard: true
      })
    }
    yield* Effect.forEach(nodes.filter(({ existed }) => existed), (node) =>
      Effect.filter(ownTags(node), (tag) => has.points(tag, node.descriptor.digest), { negate: true }).pipe(
        Effect.flatMap((moved) => moved.length === 0 ? Effect.void : push(node, moved))
      ), { concurrency, discard: true })
    if (withTags && !last.existed) {
      yield* followed(last, progress, push(last, [...tags, ...ownTags(last)]))
    } else if (!tagged) {
      yield* push(last, tags)
    }
    return finished(summary)
  }).pipe(
    given.host === undefined
      ? (effect) =>
        effect
      : Effect.provideService(DistributionSource.Current, { host: given.host, repository: given.repository })
  )

const check = ({ chunkSize = 1, concurrency = 1, retries = 0 }: Options): void => {
  const numbers = [["chunkSize", chunkSize, 1], ["concurrency", concurrency, 1], ["retries", retries, 0]] as const
  for (const [name, value, least] of numbers) {
    if (Number.isInteger(value) && value >= least) continue
    throw new RangeError(`Copy: ${name} must be a whole number of at least ${least}, not ${value}`)
  }
}

/** Where a blob may be mounted from: the source's repository, and those that annotations name. */
const candidates = (source: End, target: End) => (blob: Descriptor.Descriptor) => {
  const named = target.host === undefined ? [] : DistributionSource.repositories(blob, target.host)
  const own = sameRegistry(source, target) ? [source.repository] : []
  return [...new Set([...own, ...named])].filter((repository) => repository !== target.repository)
}

const pushManifest = (
  { descriptor, manifest }: Graph.Node,
  source: End,
  { registry, repository }: End,
  tags: ReadonlyArray<Tag.Tag>,
  { ifAbsent }: Options
): Answer<void> =>
  Effect.gen(function*() {
    // One that the target has was not read, and only gets a tag.
    const { bytes, descriptor: { digest, mediaType } } = manifest ??
      (yield* source.registry.getManifest(source.repository, descriptor.digest))
    // By its only tag it is put in one request, everywhere; the digest of a manifest without any names it.
    const named = tags.length > 0 && digest.startsWith("sha256:") ? undefined : digest
    yield* registry.pushManifest(repository, {
      mediaType,
      bytes,
      digest: named,
      tags,
      ...(ifAbsent === true && tags.length > 0 ? { ifAbsent } : {})
    })
  })

/** Reports the events of a manifest that is pushed. */
const followed = (
  { descriptor }: Graph.Node,
  progress: Progress.Tracker | undefined,
  pushing: Answer<void>
): Answer<void> => {
  if (progress === undefined) return pushing
  const tell = (event: Progress.Event) => Effect.sync(() => progress.tell(event))
  return Effect.zipRight(
    tell(Progress.Event.Started({ descriptor, transferred: 0 })),
    Effect.tapBoth(pushing, {
      onFailure: (error) => tell(Progress.Event.Failed({ descriptor, error })),
      onSuccess: () => tell(Progress.Event.Done({ descriptor }))
    })
  )
}

/**
 * Runs the same copy and returns its events as a stream; the last event is `Copied`. If the copy fails, the stream fails
 * after the events up to then. A {@link Progress.Progress} that is there follows it too.
 *
 * @throws RangeError where `chunkSize`, `concurrency` or `retries` is no number that it can be
 * @since 0.1.0
 * @category copies
 * @example
 * ```ts
 * import { Copy } from "@effect-oci/transfer"
 * import { Console, Stream } from "effect"
 *
 * const shown = (source: Copy.Source, target: Copy.Target) =>
 *   Stream.runForEach(Copy.stream(source, target), (event) => Console.log(event._tag))
 * ```
 */
export const stream = (
  source: Source,
  target: Target,
  options: Options = {}
): Stream.Stream<Progress.Event, RegistryError.RegistryError> => {
  check(options)
  return Stream.unwrapScoped(Effect.gen(function*() {
    const following = yield* Progress.make
    const outer = yield* Effect.serviceOption(Progress.Progress)
    const { mailbox, tell } = yield* unread.make<Progress.Event, RegistryError.RegistryError>()
    const tracker: Progress.Tracker = {
      ...Option.getOrElse(outer, () => ({ ...following, uploads: undefined })),
      tell: (event) => {
        tell(event)
        if (Option.isSome(outer)) outer.value.tell(event)
      }
    }
    yield* copying(source, target, options).pipe(
      Effect.provideService(Progress.Progress, tracker),
      Effect.onExit((exit) => Exit.isSuccess(exit) ? mailbox.end : mailbox.failCause(exit.cause)),
      Effect.forkScoped
    )
    return unread.stream(mailbox)
  }))
}
