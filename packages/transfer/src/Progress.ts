/**
 * How far a copy is: what there is to move, what was moved, and what is being moved now.
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
import * as unread from "./internal/unread.js"

/**
 * What happens in a copy. `Planned` comes first, with all that there is to see to; then, for each manifest and blob,
 * one of `Existed`, `Mounted` and `Started`; after `Started` any number of `Moved`, another `Started` when a broken upload
 * resumes, and `Done` or `Failed`; at the end `Copied`, unless the copy failed. `transferred` is how many bytes of the
 * content have arrived, those of an earlier try included. A dry run has no events of blobs, as nothing happens to them.
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
 * Constructors of events, and matching on them.
 *
 * @since 0.1.0
 * @category constructors
 */
export const Event = Data.taggedEnum<Event>()

/**
 * The size of a copy, known before anything is written: all manifests, how many of them the target has (`existed`), and
 * the blobs of the others. The target may have some of these blobs too. `bytes` is the size of the blobs.
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
 * What a copy did, or would do: numbers of manifests and blobs, and the bytes of the blobs that were moved. `descriptor`
 * is that of the artifact as the target has it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Summary {
  readonly descriptor: Descriptor.Descriptor
  /** The tags that the copy set or moved, or would: none of those that pointed at the artifact already. */
  readonly tags: ReadonlyArray<Tag.Tag>
  /** The tags made from digests (`sha256-<hex>.sig`) that belong to the artifact, and that the target has now. */
  readonly digestTags: ReadonlyArray<Tag.Tag>
  readonly manifests: { readonly pushed: number; readonly existed: number }
  readonly blobs: { readonly moved: number; readonly mounted: number; readonly existed: number }
  readonly bytes: number
}

/**
 * How a manifest or a blob is doing.
 *
 * @since 0.1.0
 * @category models
 */
export interface Status {
  readonly descriptor: Descriptor.Descriptor
  readonly state: "existed" | "mounted" | "moving" | "done" | "failed"
  /** Bytes that have arrived. */
  readonly transferred: number
}

/**
 * Follows copies: what they tell, how everything they have touched is doing, and the uploads that were broken off.
 *
 * @since 0.1.0
 * @category models
 */
export interface Tracker {
  /** What happens, told by the copy. Costs nothing worth mention, so it may be called for each chunk. */
  readonly tell: (event: Event) => void
  /** What happens from now on. Of `Moved` a slow reader gets the newest for each blob only, so little is held. */
  readonly events: Stream.Stream<Event>
  /** The same, from when the effect is run: for who starts a copy after it. */
  readonly subscribe: Effect.Effect<Stream.Stream<Event>, never, Scope.Scope>
  /**
   * How all that was touched is doing, in the order in which it was: what moves, and {@link mostStatuses} of the rest.
   * What two copies move at the same time has one status.
   */
  readonly statuses: Effect.Effect<ReadonlyArray<Status>>
  /** What all copies so far had to see to. */
  readonly totals: Effect.Effect<Totals>
  /** The uploads that were interrupted, for a later copy to resume. Without it they are cancelled. */
  readonly uploads?: Uploads | undefined
}

/**
 * Uploads that were interrupted: their ids, by repository and digest. An id may hold state that is secret, so ids are not
 * part of any status.
 *
 * @since 0.1.0
 * @category models
 */
export interface Uploads {
  /** Takes the upload that was kept: no other caller gets it. */
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
 * How many statuses a tracker keeps: beyond that it forgets the oldest of what no longer moves.
 *
 * @since 0.1.0
 * @category constants
 */
export const mostStatuses = 10_000

/**
 * The tracker of the copies that run with it. A copy that finds none follows nothing, and keeps no upload that fails.
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

/** What happens to one manifest or blob. */
type OfContent = Exclude<Event, { readonly _tag: "Planned" | "Copied" }>

/** The state that an event leaves its content in. */
const states = {
  Existed: "existed",
  Mounted: "mounted",
  Started: "moving",
  Moved: "moving",
  Done: "done",
  Failed: "failed"
} satisfies { readonly [Tag in OfContent["_tag"]]: Status["state"] }

/** How far its content is after an event, where the event does not say. */
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
 * A new tracker.
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
      Effect.tap(unread.make<Event>(), ({ tell }) => Effect.sync(() => subscribers.add(tell))),
      ({ mailbox, tell }) => Effect.zipRight(Effect.sync(() => subscribers.delete(tell)), mailbox.shutdown)
    ),
    ({ mailbox }) => unread.stream(mailbox)
  )

  return {
    tell: (event) => {
      note(event)
      for (const tell of subscribers) tell(event)
    },
    events: Stream.unwrapScoped(subscribe),
    subscribe,
    statuses: Effect.sync(() => [...statuses.values()]),
    totals: Effect.sync(() => totals),
    uploads: uploads()
  }
})

/**
 * A tracker for all copies that share the layer.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Progress> = Layer.effect(Progress, make)
