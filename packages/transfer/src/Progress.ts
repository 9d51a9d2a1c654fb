/**
 * Reports the progress of copies: totals, events, and the status of each manifest and blob.
 *
 * @since 0.1.0
 */
import type { Descriptor, Digest, RegistryError, RepositoryName, Tag } from "@effect-oci/core"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as eventQueue from "./internal/eventQueue.js"

/**
 * An event of a copy. The order of events is:
 *
 * - `Planned` comes first, with the totals of the copy.
 * - Each manifest and blob has one of `Existed`, `Mounted` and `Started`.
 * - `Started` is followed by any number of `Moved`, by another `Started` whenever a broken upload is resumed, and by `Done`
 *   or `Failed`.
 * - `Copied` comes last, unless the copy failed.
 *
 * `transferred` is the number of bytes of the content that have arrived, including those of earlier attempts. A dry run
 * has no events of blobs.
 *
 * @since 0.1.0
 * @category models
 */
export type Event = Data.TaggedEnum<{
  readonly Planned: { readonly totals: Totals }
  readonly Existed: { readonly descriptor: Descriptor.Descriptor }
  readonly Mounted: {
    readonly descriptor: Descriptor.Descriptor
    readonly from: RepositoryName.RepositoryName | undefined
  }
  readonly Started: { readonly descriptor: Descriptor.Descriptor; readonly transferred: number }
  readonly Moved: { readonly descriptor: Descriptor.Descriptor; readonly transferred: number }
  readonly Done: { readonly descriptor: Descriptor.Descriptor }
  readonly Failed: { readonly descriptor: Descriptor.Descriptor; readonly error: RegistryError.RegistryError }
  readonly Copied: { readonly summary: Summary }
}>

/**
 * Constructors and matchers of events.
 *
 * @since 0.1.0
 * @category constructors
 */
export const Event = Data.taggedEnum<Event>()

/**
 * The size of a copy, which is known before anything is written: the number of all manifests, the number of manifests that
 * the target has (`existed`), and the number of blobs of the other manifests. The target may have some of these blobs too.
 * `bytes` is the total size of these blobs.
 *
 * @since 0.1.0
 * @category models
 */
export interface Totals {
  readonly manifests: number
  readonly existed: number
  readonly blobs: number
  readonly bytes: number
}

/**
 * The result of a copy, or of a dry run: the numbers of manifests and blobs, and the total size of the blobs that were
 * moved, in bytes. `descriptor` is the descriptor of the artifact at the target.
 *
 * @since 0.1.0
 * @category models
 */
export interface Summary {
  readonly descriptor: Descriptor.Descriptor
  /** The tags that the copy set or moved, or would set or move. Tags that already pointed at the artifact are left out. */
  readonly tags: ReadonlyArray<Tag.Tag>
  /** The tags made from digests (`sha256-<hex>.sig`) that belong to the artifact. The target has them after the copy. */
  readonly digestTags: ReadonlyArray<Tag.Tag>
  readonly manifests: { readonly pushed: number; readonly existed: number }
  readonly blobs: { readonly moved: number; readonly mounted: number; readonly existed: number }
  readonly bytes: number
}

/**
 * The status of a manifest or a blob.
 *
 * @since 0.1.0
 * @category models
 */
export interface Status {
  readonly descriptor: Descriptor.Descriptor
  readonly state: "existed" | "mounted" | "moving" | "done" | "failed"
  /** The number of bytes that have arrived. */
  readonly transferred: number
}

/**
 * A tracker of copies: it receives their events, and keeps the statuses of manifests and blobs and the interrupted
 * uploads.
 *
 * @since 0.1.0
 * @category models
 */
export interface Tracker {
  /** Records an event of a copy. It is cheap: a copy calls it for each chunk. */
  readonly report: (event: Event) => void
  /**
   * The events from the moment when the stream starts. A slow reader receives only the newest `Moved` of each blob, so that
   * few events are kept in memory.
   */
  readonly events: Stream.Stream<Event>
  /** The same events, from the moment when the effect runs: for a caller that starts a copy after it. */
  readonly subscribe: Effect.Effect<Stream.Stream<Event>, never, Scope.Scope>
  /**
   * The statuses of manifests and blobs, in the order of their first events: all that are being moved, and the newest of
   * the others, up to {@link mostStatuses}. Content that two copies move at the same time has one status.
   */
  readonly statuses: Effect.Effect<ReadonlyArray<Status>>
  /** The sum of the totals of all copies so far. */
  readonly totals: Effect.Effect<Totals>
  /** The uploads that were interrupted, so that a later copy can resume them. If it is absent, they are cancelled. */
  readonly uploads?: Uploads | undefined
}

/**
 * The ids of interrupted uploads, by registry, repository and digest. An id may contain secret state, so no status contains
 * an id.
 *
 * @since 0.1.0
 * @category models
 */
export interface Uploads {
  /** Returns the id of an interrupted upload and removes it, so that no other caller receives it. */
  readonly take: (registry: object, repository: RepositoryName.RepositoryName, digest: Digest.Digest) =>
    | string
    | undefined
  readonly keep: (
    registry: object,
    repository: RepositoryName.RepositoryName,
    digest: Digest.Digest,
    id: string
  ) => void
}

/**
 * The number of statuses that a tracker keeps. If there are more, it removes the oldest status of content that is no longer
 * being moved.
 *
 * @since 0.1.0
 * @category constants
 */
export const mostStatuses = 10_000

/**
 * The tracker of the copies that run with it. Without a tracker, a copy reports no events and cancels an upload that fails.
 *
 * @since 0.1.0
 * @category services
 * @example
 * ```ts
 * import { Progress } from "@effect-oci/transfer"
 * import { Console, Effect, Stream } from "effect"
 *
 * const shown = Effect.flatMap(Progress.Progress, (progress) =>
 *   Stream.runForEach(progress.events, (event) => Console.log(event._tag)))
 * ```
 */
export class Progress extends Context.Tag("@effect-oci/transfer/Progress")<Progress, Tracker>() {}

/** An event of one manifest or blob. */
type OfContent = Exclude<Event, { readonly _tag: "Planned" | "Copied" }>

/** The state of a manifest or a blob after each event. */
const states = {
  Existed: "existed",
  Mounted: "mounted",
  Started: "moving",
  Moved: "moving",
  Done: "done",
  Failed: "failed"
} satisfies { readonly [Tag in OfContent["_tag"]]: Status["state"] }

/** Returns the number of bytes that have arrived after an event. */
const arrived = (event: OfContent, before: number): number => {
  switch (event._tag) {
    case "Started":
    case "Moved":
      return event.transferred
    case "Failed":
      return before
    default:
      return event.descriptor.size
  }
}

const uploads = (): Uploads => {
  const registries = new WeakMap<object, Map<string, string>>()
  const keyOf = (repository: string, digest: string) => `${repository}@${digest}`
  return {
    take: (registry, repository, digest) => {
      const ids = registries.get(registry)
      const key = keyOf(repository, digest)
      const id = ids?.get(key)
      ids?.delete(key)
      return id
    },
    keep: (registry, repository, digest, id) => {
      const ids = registries.get(registry) ?? new Map<string, string>()
      registries.set(registry, ids.set(keyOf(repository, digest), id))
    }
  }
}

/**
 * Creates a tracker.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<Tracker> = Effect.sync(() => {
  const statuses = new Map<Digest.Digest, Status>()
  const subscribers = new Set<(event: Event) => void>()
  let totals: Totals = { manifests: 0, existed: 0, blobs: 0, bytes: 0 }

  const note = (event: Event) => {
    if (event._tag === "Planned") {
      totals = {
        manifests: totals.manifests + event.totals.manifests,
        existed: totals.existed + event.totals.existed,
        blobs: totals.blobs + event.totals.blobs,
        bytes: totals.bytes + event.totals.bytes
      }
      return
    }
    if (event._tag === "Copied") return
    const { descriptor } = event
    const before = statuses.get(descriptor.digest)?.transferred ?? 0
    statuses.set(descriptor.digest, { descriptor, state: states[event._tag], transferred: arrived(event, before) })
    if (statuses.size > mostStatuses) forget()
  }
  const forget = () => {
    for (const [digest, { state }] of statuses) {
      if (state !== "moving") return statuses.delete(digest)
    }
    return false
  }

  const subscribe = Effect.map(
    Effect.acquireRelease(
      Effect.tap(eventQueue.make<Event>(), ({ add }) => Effect.sync(() => subscribers.add(add))),
      ({ add, mailbox }) => Effect.zipRight(Effect.sync(() => subscribers.delete(add)), mailbox.shutdown)
    ),
    ({ mailbox }) => eventQueue.stream(mailbox)
  )

  return {
    report: (event) => {
      note(event)
      for (const add of subscribers) add(event)
    },
    events: Stream.unwrapScoped(subscribe),
    subscribe,
    statuses: Effect.sync(() => [...statuses.values()]),
    totals: Effect.sync(() => totals),
    uploads: uploads()
  }
})

/**
 * Creates a tracker for all copies that share the layer.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Progress> = Layer.effect(Progress, make)
