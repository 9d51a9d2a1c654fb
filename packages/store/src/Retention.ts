/**
 * Deletes old tags. The collector then deletes the manifests without a tag, if its policy is `untagged: "delete"`, and
 * the blobs that nothing refers to any more.
 *
 * @since 0.1.0
 */
import * as ReferenceSet from "@effect-oci/core/ReferenceSet"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import type { Tag } from "@effect-oci/core/Tag"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as every from "./internal/every.js"
import { MetadataStore } from "./MetadataStore.js"
import type { CommandFailure, Service, StoredTag } from "./MetadataStore.js"
import * as Pages from "./Pages.js"
import type * as StoreError from "./StoreError.js"

/**
 * Which tags are kept. A tag is kept if one of the rules keeps it. Without any rule, all tags are kept.
 *
 * @since 0.1.0
 * @category models
 */
export interface Policy {
  /** Keeps the references in the set. The set must not name a registry. */
  readonly keep?: ReferenceSet.ReferenceSet | undefined
  /** Keeps the tags of each repository that were set last, so many. */
  readonly newest?: number | undefined
  /** Keeps the tags that were set within this time. */
  readonly youngerThan?: Duration.DurationInput | undefined
}

/**
 * A tag that a policy does not keep.
 *
 * @since 0.1.0
 * @category models
 */
export interface Expired extends StoredTag {
  readonly repository: RepositoryName
  /** Why no rule keeps the tag. */
  readonly reason: string
}

/**
 * Returns the tags that {@link apply} would delete, and why. Deletes nothing.
 *
 * @since 0.1.0
 * @category running
 * @example
 * ```ts
 * import { ReferenceSet } from "@effect-oci/core"
 * import { Retention } from "@effect-oci/store"
 * import { Console, Stream } from "effect"
 *
 * const policy = { keep: ReferenceSet.tags("v*"), newest: 10, youngerThan: "30 days" } as const
 * const dryRun = Stream.runForEach(
 *   Retention.plan(policy),
 *   ({ reason, repository, tag }) => Console.log(`${repository}:${tag} would be deleted: ${reason}`)
 * )
 * ```
 */
export const plan = (policy: Policy): Stream.Stream<Expired, StoreError.Failed, MetadataStore> => {
  const { keep, newest, youngerThan } = policy
  if (keep === undefined && newest === undefined && youngerThan === undefined) return Stream.empty
  return Stream.unwrap(Effect.map(MetadataStore, (metadata) =>
    Stream.flatMap(
      Pages.stream(metadata.listRepositories, (name) => name),
      (repository) => expiredOf(metadata, repository, policy)
    )))
}

/**
 * Deletes the tags that a policy does not keep, and returns them as they are deleted. A tag that moves meanwhile is kept.
 *
 * @since 0.1.0
 * @category running
 */
export const apply = (policy: Policy): Stream.Stream<Expired, CommandFailure, MetadataStore> =>
  Stream.filterEffect(
    plan(policy),
    ({ digest, repository, tag }) =>
      Effect.flatMap(MetadataStore, (metadata) => metadata.deleteTag(repository, tag, digest)).pipe(
        Effect.as(true),
        Effect.catchTags({
          OciStoreRepositoryUnknown: () => Effect.succeed(false),
          OciStoreManifestUnknown: () => Effect.succeed(false)
        })
      )
  )

/**
 * Creates a layer that applies a policy at its start, and then again and again. Logs the failures. `every` is the time
 * between two runs. Default: 1 hour.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: Policy & { readonly every?: Duration.DurationInput | undefined }
): Layer.Layer<never, never, MetadataStore> =>
  every.layer(
    options.every ?? "1 hour",
    "Old tags could not be deleted. The next run tries again.",
    Stream.runDrain(apply(options))
  )

const tagsOf = (metadata: Service, repository: RepositoryName): Stream.Stream<StoredTag, StoreError.Failed> =>
  Stream.catchTag(
    Pages.stream((after: Tag | undefined, n) => metadata.inspectTags(repository, after, n), ({ tag }) => tag),
    "OciStoreRepositoryUnknown",
    () => Stream.empty
  )

/** Returns the tags that were set last, at most `n`. Keeps at most twice as many in memory. */
const newestOf = (tags: Stream.Stream<StoredTag, StoreError.Failed>, n: number) => {
  let newest: Array<StoredTag> = []
  const trim = () => {
    newest = newest.sort((a, b) => b.updatedAt - a.updatedAt || (a.tag < b.tag ? 1 : -1)).slice(0, n)
  }
  return Stream.runForEach(tags, (tag) =>
    Effect.sync(() => {
      newest.push(tag)
      if (newest.length >= 2 * n + 100) trim()
    })).pipe(Effect.map(() => {
      trim()
      return new Set(newest.map(({ tag }) => tag))
    }))
}

const expiredOf = (
  metadata: Service,
  repository: RepositoryName,
  { keep, newest, youngerThan }: Policy
): Stream.Stream<Expired, StoreError.Failed> =>
  Stream.unwrap(Effect.gen(function*() {
    const tags = tagsOf(metadata, repository)
    const now = yield* Clock.currentTimeMillis
    const newestTags = newest === undefined ? new Set<Tag>() : yield* newestOf(tags, newest)
    const oldest = youngerThan === undefined ? Infinity : now - Duration.toMillis(youngerThan)
    const reason = [
      ...(keep === undefined ? [] : ["not in the set of references to keep"]),
      ...(newest === undefined ? [] : [`not among the newest ${newest} of its repository`]),
      ...(youngerThan === undefined ? [] : [`older than ${Duration.format(Duration.decode(youngerThan))}`])
    ].join(", ")
    const isKept = ({ tag, updatedAt }: StoredTag) =>
      updatedAt > oldest || newestTags.has(tag) ||
      (keep !== undefined && ReferenceSet.contains(keep, { repository, tag }))
    return tags.pipe(
      Stream.filter((tag) => !isKept(tag)),
      Stream.map((tag) => ({ ...tag, repository, reason }))
    )
  }))
