/**
 * Copies whole artifacts from one registry to another.
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
 * One end of a copy: a repository of a registry. `host` is the name of the registry, as `host[:port]`. If both ends have
 * the same `host`, blobs are mounted. {@link DistributionSource} uses this name too.
 *
 * @since 0.1.0
 * @category models
 */
export interface End extends Graph.Source {
  readonly host?: string | undefined
}

/**
 * The source of a copy, and the manifest to copy from it.
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
  /** The tags to set on the copy. Default: the reference of the source, if it is a tag. */
  readonly tags?: ReadonlyArray<Tag.Tag> | undefined
  /** The digest that the copy must have. If it would have another, the copy fails with `DigestInvalid` and writes nothing. */
  readonly digest?: Digest.Digest | undefined
}

/**
 * Options for a copy.
 *
 * @since 0.1.0
 * @category options
 */
export interface Options extends Graph.Options {
  /**
   * Copies the image for one platform instead of the index that lists it. The copy fails with `ManifestUnknown` if there is
   * no such image, also if the source is a single image for another platform. Default: the index with all its images.
   */
  readonly platform?: Platform.Platform | undefined
  /** Like `platform`, but only for an index: a single image is copied whatever its platform. Default: none. */
  readonly indexPlatform?: Platform.Platform | undefined
  /**
   * Changes each manifest before it is pushed, for example `Transform.dockerConfig`. Manifests that point at a changed
   * manifest change too. Their digests change, so signatures are no longer valid. A changed manifest may point only at
   * content of the source.
   */
  readonly transform?: rewriting.Transform | undefined
  /** How many blobs, or how many manifests, are copied at the same time. Default: 4. */
  readonly concurrency?: number | undefined
  /**
   * How often the upload of a blob is resumed from the last byte that arrived, or started again because the target
   * required credentials during the upload. Default: 3 times.
   */
  readonly retries?: number | undefined
  /**
   * How long to wait for a registry that has answered and then refuses or breaks connections, for example while it
   * restarts. Default: 30 seconds.
   */
  readonly retryTime?: Duration.DurationInput | undefined
  /**
   * The maximum size of a request, in bytes, for a target that accepts no larger ones: larger blobs are sent in chunks of
   * this size. Default: whole blobs.
   */
  readonly chunkSize?: number | undefined
  /** Fails with `Denied` if one of the tags already points at another manifest. Default: `false`. */
  readonly ifAbsent?: boolean | undefined
  /** Only reports what a copy would do, and writes nothing. Default: `false`. */
  readonly dryRun?: boolean | undefined
}

type Answer<A> = Effect.Effect<A, RegistryError.RegistryError>

/**
 * Copies a manifest and everything that belongs to it: the manifests and blobs that it points at, and, unless
 * `withoutReferrers` is set, the referrers of all these manifests.
 *
 * The copy asks the target what it has, and sends only the rest. It mounts blobs if both ends share a registry, or if an
 * annotation says that another repository of the target's registry has them. It streams all other blobs, at most
 * `concurrency` at the same time. A manifest is pushed after everything that it points at, and the tags are set last, so
 * that a tag never points at incomplete content. A copy that failed or was interrupted can be run again: it sends only
 * what has not arrived, and with a {@link Progress.Progress} it resumes an interrupted upload.
 *
 * The copy assumes that a target that has a manifest also has everything that the manifest points at: registries check
 * this when a manifest is pushed.
 *
 * See [pushing manifests](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-manifests),
 * [mounting blobs](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#mounting-a-blob-from-another-repository)
 * and [listing referrers](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-referrers).
 *
 * @throws RangeError if `chunkSize` or `concurrency` is not a whole number of at least 1, or `retries` of at least 0
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

/** Returns the repositories that a blob may be mounted from: the source's repository, and those that annotations name. */
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
    // A manifest that the target has may not have been read. It is read now, to set a tag.
    const { bytes, descriptor: { digest, mediaType } } = manifest ??
      (yield* source.registry.getManifest(source.repository, descriptor.digest))
    // A push by the only tag is one request at every registry. A manifest without tags is pushed by its digest.
    const named = tags.length > 0 && digest.startsWith("sha256:") ? undefined : digest
    yield* registry.pushManifest(repository, {
      mediaType,
      bytes,
      digest: named,
      tags,
      ...(ifAbsent === true && tags.length > 0 ? { ifAbsent } : {})
    })
  })

/** Pushes a manifest, and reports the events of the push. */
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
 * Runs the same copy as {@link copy}, and returns its events as a stream. The last event is `Copied`. If the copy fails,
 * the stream fails after the events before the failure. A {@link Progress.Progress} in the context receives the events
 * too.
 *
 * @throws RangeError if `chunkSize` or `concurrency` is not a whole number of at least 1, or `retries` of at least 0
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
