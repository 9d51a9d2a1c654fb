/**
 * The journal of a cache: what the cache knows about its store, and its tags, for the time after a restart.
 *
 * @since 0.1.0
 */
import { Descriptor, Digest, RepositoryName, Tag } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"

const content = {
  kind: Schema.Literal("Blob", "Manifest"),
  repository: RepositoryName.schema,
  digest: Digest.schema
}

/**
 * An entry of a journal. A later entry replaces an earlier one about the same content or tag.
 *
 * - `Stored`: the content was used, or is about to be stored.
 * - `Removed`: the store no longer has the content.
 * - `Tagged`: where a tag points, and the time until which this is valid, in milliseconds since 1970.
 * - `Forgotten`: a tag, or all tags of a repository, must be resolved again.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Entry = Schema.Union(
  Schema.TaggedStruct("Stored", { ...content, size: Schema.NonNegativeInt }),
  Schema.TaggedStruct("Removed", content),
  Schema.TaggedStruct("Tagged", {
    repository: RepositoryName.schema,
    tag: Tag.schema,
    descriptor: Descriptor.schema,
    validUntil: Schema.Finite
  }),
  Schema.TaggedStruct("Forgotten", { repository: RepositoryName.schema, tag: Schema.optional(Tag.schema) })
)

/**
 * @since 0.1.0
 * @category models
 */
export type Entry = typeof Entry.Type

/**
 * Records what a cache does.
 *
 * @since 0.1.0
 * @category models
 */
export interface Recorder {
  /** Adds an entry. Returns at once; the entry is written soon. */
  readonly record: (entry: Entry) => void
  /** Waits until the entries that were added before are written, or until writing has failed. */
  readonly written: Effect.Effect<void>
}

/**
 * An open journal: the entries of the processes before this one, in the order in which they were recorded, and the
 * recorder of new ones.
 *
 * @since 0.1.0
 * @category models
 */
export interface Opened {
  readonly entries: Iterable<Entry>
  readonly recorder: Recorder
}

/**
 * Opens a journal. `snapshot` returns the entries that describe the present state: a journal that has become long
 * replaces its entries with them. A journal belongs to one cache. Failures are logged, and the cache continues.
 *
 * @since 0.1.0
 * @category models
 */
export type Journal = (snapshot: () => Iterable<Entry>) => Effect.Effect<Opened, never, Scope.Scope>

/**
 * A journal that records nothing.
 *
 * @since 0.1.0
 * @category constructors
 */
export const none: Journal = () => Effect.succeed({ entries: [], recorder: { record: () => {}, written: Effect.void } })
