/**
 * Copies whole artifacts from one registry to another.
 *
 * @since 0.1.0
 */
import { RegistryError } from "@effect-oci/core"
import type { Descriptor, Digest, Manifest, Operation, Tag } from "@effect-oci/core"
import * as Platform from "@effect-oci/resolver/Platform"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as DistributionSource from "./DistributionSource.js"
import * as Graph from "./Graph.js"
import * as blobCopies from "./internal/blobs.js"
import * as eventQueue from "./internal/eventQueue.js"
import { isIndex as isIndexType } from "./internal/links.js"
import * as manifests from "./internal/manifests.js"
import { retryOutages } from "./internal/outages.js"
import { rewrite } from "./internal/rewrite.js"
import { marked, needed, sameRegistry, TargetState } from "./internal/targetState.js"
import * as Progress from "./Progress.js"
import type { Transform } from "./Transform.js"

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
  readonly transform?: Transform | undefined
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

/**
 * Copies a manifest and everything that belongs to it: the manifests and blobs that it points at, and, unless
 * `withoutReferrers` is set, the referrers of all these manifests.
 *
 * The copy asks the target what it has, and sends only the rest. It mounts blobs if both ends share a registry, or if an
 * annotation says that another repository of the target's registry has them. It streams all other blobs, at most
 * `concurrency` at the same time. A manifest is pushed as soon as the target has everything that it points at, and the
 * tags are set last, so that a tag never points at incomplete content. A copy that failed or was interrupted can be run
 * again: it sends only what has not arrived, and with a {@link Progress.Progress} it resumes an interrupted upload.
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
export const copy = (
  source: Source,
  target: Target,
  options: Options = {}
): Effect.Effect<Progress.Summary, RegistryError.RegistryError> => {
  check(options)
  return run(source, target, options)
}

/** What a copy will do, which is known before it writes. */
interface Plan {
  readonly state: TargetState
  readonly graph: Graph.Graph
  /** The tags to set or to move. */
  readonly tags: ReadonlyArray<Tag.Tag>
  readonly missing: ReadonlyArray<Graph.Node>
  readonly blobs: ReadonlyArray<Descriptor.Descriptor>
}

/** Reads the manifest to copy: the one that the source's reference names, or its image for a platform. */
const readRoot = (
  { reference, registry, repository }: Source,
  options: Options
): Effect.Effect<Manifest.Manifest, RegistryError.RegistryError> =>
  Effect.flatMap(registry.getManifest(repository, reference), (manifest) => {
    const isIndex = isIndexType(manifest.descriptor.mediaType)
    const platform = options.platform ?? (isIndex ? options.indexPlatform : undefined)
    return platform === undefined
      ? Effect.succeed(manifest)
      : Platform.image(registry, repository, manifest, platform)
  })

const plan = (source: Source, target: Target, options: Options): Effect.Effect<Plan, RegistryError.RegistryError> =>
  Effect.gen(function*() {
    const { concurrency = 4, filter, platforms, transform } = options
    const tags = target.tags ?? (source.reference.includes(":") ? [] : [source.reference as Tag.Tag])
    const state = new TargetState(source, target, tags, options.ifAbsent ?? false)
    const rewrites = [filter, platforms, transform].some((option) => option !== undefined)
    // The target is not asked about an image before it is known that the source has it for the platform.
    const lookAhead = rewrites || options.platform !== undefined ? Effect.void : state.lookAhead
    // If both fail, the copy reports the error of the source.
    const [root, ahead] = yield* Effect.zip(readRoot(source, options), Effect.either(lookAhead), { concurrent: true })
    yield* ahead
    const graph = rewrites
      ? yield* Graph.read(source, root, options, () => Effect.succeed(false)).pipe(
        Effect.flatMap((read) => rewrite(read, { filter, transform })),
        Effect.flatMap((rewritten) => marked(rewritten, state.exists(rewritten.root), concurrency))
      )
      : yield* Graph.read(source, root, options, state.exists(root.descriptor.digest))
    if (target.digest !== undefined && target.digest !== graph.root) {
      return yield* new RegistryError.DigestInvalid({
        repository: target.repository,
        reference: target.digest,
        reason:
          `the copied manifest would have the digest ${graph.root}, but the target's reference requires ${target.digest}`
      })
    }
    return {
      state,
      graph,
      tags: state.tagged ? [] : tags,
      missing: [...graph.nodes.values()].filter(({ existed }) => !existed),
      blobs: needed(graph, root)
    }
  })

/** Reports the totals of a copy, and the manifests that the target has. */
const reportPlan = ({ blobs, graph, missing }: Plan, progress: Progress.Tracker | undefined): void => {
  const { nodes } = graph
  progress?.report(Progress.Event.Planned({
    totals: {
      manifests: nodes.size,
      existed: nodes.size - missing.length,
      blobs: blobs.length,
      bytes: sizeOf(blobs)
    }
  }))
  for (const { descriptor, existed } of nodes.values()) {
    if (existed) progress?.report(Progress.Event.Existed({ descriptor }))
  }
}

const sizeOf = (blobs: ReadonlyArray<Descriptor.Descriptor>): number => blobs.reduce((sum, { size }) => sum + size, 0)

const summaryOf = (
  { blobs, graph, missing, tags }: Plan,
  outcomes: ReadonlyArray<blobCopies.Outcome>
): Progress.Summary => {
  const having = (outcome: blobCopies.Outcome) => blobs.filter((_, index) => outcomes[index] === outcome)
  const uploaded = having("Uploaded")
  return {
    descriptor: graph.nodes.get(graph.root)!.descriptor,
    tags,
    digestTags: [...graph.digestTags.keys()],
    manifests: { pushed: missing.length, existed: graph.nodes.size - missing.length },
    blobs: { moved: uploaded.length, mounted: having("Mounted").length, existed: having("Existed").length },
    bytes: sizeOf(uploaded)
  }
}

/** Copies the blobs, and pushes each manifest as soon as its blobs have arrived. */
const write = (
  planned: Plan,
  blobOptions: blobCopies.Options,
  options: { readonly concurrency: number; readonly ifAbsent: boolean }
): Effect.Effect<ReadonlyArray<blobCopies.Outcome>, RegistryError.RegistryError> => {
  const arrivals = new Map(planned.blobs.map(({ digest }) => [digest, Effect.unsafeMakeLatch()]))
  const copyBlob = (blob: Descriptor.Descriptor) =>
    Effect.tap(blobCopies.copy(blobOptions, blob), () => arrivals.get(blob.digest)?.open)
  const arrived = ({ blobs }: Graph.Node) =>
    Effect.forEach(blobs, ({ digest }) => arrivals.get(digest)?.await ?? Effect.void, { discard: true })
  return Effect.zipLeft(
    Effect.forEach(planned.blobs, copyBlob, { concurrency: options.concurrency }),
    manifests.push({ ...blobOptions, ...planned, ...options, arrived }),
    { concurrent: true }
  )
}

const run = (
  from: Source,
  to: Target,
  options: Options
): Effect.Effect<Progress.Summary, RegistryError.RegistryError> =>
  Effect.gen(function*() {
    const { chunkSize, concurrency = 4, ifAbsent = false, retries = 3, retryTime = "30 seconds" } = options
    const source = { ...from, registry: retryOutages(from.registry, retryTime) }
    const target = {
      ...to,
      registry: from.registry === to.registry ? source.registry : retryOutages(to.registry, retryTime)
    }
    const progress = Option.getOrUndefined(yield* Effect.serviceOption(Progress.Progress))
    const planned = yield* plan(source, target, options)
    reportPlan(planned, progress)
    const ends = { source, target, progress }
    const blobOptions = { ...ends, uploadsOf: to.registry, candidates: candidates(source, target), retries, chunkSize }
    const outcomes = options.dryRun === true
      ? yield* Effect.forEach(planned.blobs, (blob) => blobCopies.predict(blobOptions, blob), { concurrency })
      : yield* write(planned, blobOptions, { concurrency, ifAbsent })
    const summary = summaryOf(planned, outcomes)
    progress?.report(Progress.Event.Copied({ summary }))
    return summary
  }).pipe((copy) =>
    from.host === undefined
      ? copy
      : Effect.provideService(copy, DistributionSource.Current, { host: from.host, repository: from.repository })
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
  const sources = sameRegistry(source, target) ? [source.repository] : []
  return [...new Set([...sources, ...named])].filter((repository) => repository !== target.repository)
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
    const { add, mailbox } = yield* eventQueue.make<Progress.Event, RegistryError.RegistryError>()
    const tracker: Progress.Tracker = {
      ...Option.getOrElse(outer, () => ({ ...following, uploads: undefined })),
      report: (event) => {
        add(event)
        if (Option.isSome(outer)) outer.value.report(event)
      }
    }
    yield* run(source, target, options).pipe(
      Effect.provideService(Progress.Progress, tracker),
      Effect.onExit((exit) => Exit.isSuccess(exit) ? mailbox.end : mailbox.failCause(exit.cause)),
      Effect.forkScoped
    )
    return eventQueue.stream(mailbox)
  }))
}
