import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type * as BlobStore from "../BlobStore.js"
import type * as MetadataStore from "../MetadataStore.js"
import type * as StoreError from "../StoreError.js"
import * as counts from "./counts.js"
import * as keys from "./keys.js"
import type { Stores } from "./stores.js"

/** The number of items in one call of a store. */
const batch = 100

/** The number of keys in one page of the list of a blob store: most of them have metadata, and cost nothing else. */
const page = 1000

/** How long one collector has for the garbage that it claimed. */
const lease = Duration.minutes(5)

const hour = 3_600_000

/**
 * What a pass of the collector removed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Report {
  /** The number of manifests. */
  readonly manifests: number
  /** The number of blobs, counted in each repository. */
  readonly blobs: number
  /** The number of keys whose bytes were deleted: of blobs, and of upload sessions that had ended. */
  readonly keys: number
  /** The number of uploads without metadata. */
  readonly unknownUploads: number
  /** The number of keys without metadata. */
  readonly unknownKeys: number
}

/** Counts what the collectors of this process have removed, by its kind. */
const removedCounter = Metric.counter("oci.collector.removed", { incremental: true })

const measure = (removed: Partial<Report>) =>
  Effect.forEach(
    Object.entries(removed).filter(([, count]) => count > 0),
    ([kind, count]) => Metric.incrementBy(Metric.tagged(removedCounter, "kind", kind), count),
    { discard: true }
  )

export interface Pass {
  readonly policy: MetadataStore.ReviewPolicy
  /** Looks for bytes without metadata only among those that are newer than this time. */
  readonly since: number
  readonly onProgress: (report: Report) => Effect.Effect<void>
}

/**
 * Returns how old bytes must be, in milliseconds, before their lack of metadata shows that they were abandoned. A push
 * may take half of it.
 */
export const abandonedAfter = (grace: Duration.Duration): number => Math.max(Duration.toMillis(grace), hour)

/**
 * Deletes the bytes of one batch of garbage. Bytes that cannot be deleted stay garbage. Returns the number of pieces of
 * garbage that were claimed, and the number of those that were deleted.
 */
export const deleteGarbage = ({ blobs, metadata }: Stores) =>
  Effect.gen(function*() {
    const claimed = yield* metadata.claimGarbage(batch, lease)
    if (claimed.length === 0) return { claimed: 0, deleted: 0 }
    const aborted = yield* Effect.forEach(claimed, ({ key, token }) =>
      token === undefined ? Effect.succeed([key]) : blobs.abort(token).pipe(
        Effect.as([key]),
        Effect.catchAllCause((cause) =>
          Effect.as(logKept(cause), [])
        )
      ))
    const gone = yield* Effect.catchAllCause(
      blobs.delete(aborted.flat()),
      (cause) => Effect.as(logKept(cause), [])
    )
    if (gone.length > 0) yield* metadata.forgetGarbage(gone)
    return { claimed: claimed.length, deleted: gone.length }
  })

const logKept = (cause: unknown) =>
  Effect.logDebug("Garbage could not be deleted. A later collection tries again.", cause)

/** Splits a time span into a few spans that grow, the newest first: most abandoned bytes are new. */
const spans = function*(from: number, to: number): Generator<readonly [from: number, to: number]> {
  let end = to
  for (let length = hour; end > from; length *= 32) {
    const start = Math.max(from, end - length)
    yield [start, end]
    end = start
  }
}

/** Ends upload sessions that have expired. */
export const expire = ({ metadata }: Stores) => inBatches(() => metadata.expireUploads(batch))

/** Runs a step until nothing is left. Lets other work of the process run between the steps. */
const inBatches = <E>(step: () => Effect.Effect<{ readonly more: boolean }, E>): Effect.Effect<void, E> =>
  Effect.flatMap(step(), ({ more }) => more ? Effect.zipRight(Effect.sleep(0), inBatches(step)) : Effect.void)

/**
 * Runs one pass of the collector. Returns the time until which bytes without metadata were looked for: the next pass
 * need not look at older ones.
 */
export const run = (
  stores: Stores,
  { onProgress, policy, since }: Pass
): Effect.Effect<{ readonly report: Report; readonly until: number }, MetadataStore.CommandFailure> =>
  Effect.gen(function*() {
    const { blobs, metadata } = stores
    let report: Report = { manifests: 0, blobs: 0, keys: 0, unknownUploads: 0, unknownKeys: 0 }
    const add = (removed: Partial<Report>) => {
      report = counts.add(report, removed)
      return Effect.zipRight(measure(removed), onProgress(report))
    }
    yield* expire(stores)
    yield* inBatches(() =>
      Effect.tap(
        metadata.review(policy, batch),
        (reviewed) => add({ manifests: reviewed.manifests, blobs: reviewed.blobs })
      )
    )
    yield* inBatches(() =>
      Effect.flatMap(
        deleteGarbage(stores),
        ({ claimed, deleted }) => Effect.as(add({ keys: deleted }), { more: claimed === batch })
      )
    )
    const until = (yield* Clock.currentTimeMillis) - abandonedAfter(policy.grace)
    for (const [from, to] of spans(since, until)) {
      yield* abandoned(metadata, blobs.listUploads, from, to, (uploads) =>
        Effect.zipRight(
          Effect.forEach(uploads, ({ token }) => blobs.abort(token), { discard: true }),
          add({ unknownUploads: uploads.length })
        ))
      yield* abandoned(metadata, blobs.list, from, to, (items) =>
        Effect.flatMap(
          blobs.delete(items.map(({ key }) => key)),
          (gone) => add({ unknownKeys: gone.length })
        ))
    }
    return { report, until: Math.max(since, until) }
  })

/** Finds the items of a list of a blob store that were created in a time span and have no metadata. */
const abandoned = <A extends { readonly key: BlobStore.BlobKey }>(
  metadata: MetadataStore.Service,
  list: (after: BlobStore.BlobKey | undefined, n: number) => Effect.Effect<ReadonlyArray<A>, StoreError.Failed>,
  from: number,
  to: number,
  remove: (items: ReadonlyArray<A>) => Effect.Effect<void, StoreError.Failed>
): Effect.Effect<void, StoreError.Failed> => {
  let after = keys.before(from)
  return inBatches(() =>
    Effect.gen(function*() {
      const listed = yield* list(after, page)
      const items = listed.filter(({ key }) => (keys.timeOf(key) ?? Infinity) < to)
      const unknown = items.length === 0 ? [] : yield* metadata.unknownKeys(items.map(({ key }) => key))
      const found = new Set(unknown)
      if (found.size > 0) yield* remove(items.filter(({ key }) => found.has(key)))
      const last = listed.at(-1)?.key
      if (last !== undefined) after = last
      return { more: listed.length === page && last !== undefined && last < keys.before(to) }
    })
  )
}
