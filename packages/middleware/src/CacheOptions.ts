/**
 * The options of a cache.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import type { Journal } from "./CacheJournal.js"
import type { RegistrySource } from "./RegistrySource.js"

/**
 * Options for `Cache`: where the cache stores content, and how long answers are valid.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<Store extends RegistrySource = RegistrySource> {
  /**
   * The registry that stores the pulled content, or a layer of it. Only the cache may write to it. Prefer a registry
   * that accepts manifests before the blobs that they name, and deletes blobs that manifests refer to
   * (`sparseManifests` of `@effect-oci/store`).
   */
  readonly store: Store
  /** How long a resolved tag is valid. Default: 1 minute. */
  readonly tagTimeToLive?: Duration.DurationInput | undefined
  /** How long a not-found result is valid. Default: 10 seconds. */
  readonly negativeTimeToLive?: Duration.DurationInput | undefined
  /** How much longer an expired tag is served while the upstream fails with a transient error. Default: 0. */
  readonly staleIfError?: Duration.DurationInput | undefined
  /**
   * The maximum size of the content in the store: bytes of blobs and manifests. Above the limit, the cache deletes the
   * least recently used content. A blob in several repositories counts in each. Default: no limit.
   */
  readonly maxBytes?: number | undefined
  /**
   * Keeps the order of use of the content, and the tags, over a restart: see `NodeCacheJournal`. Set it if the store
   * keeps its content. Default: after a restart, content counts for `maxBytes` from its first use, and tags are resolved
   * again.
   */
  readonly journal?: Journal | undefined
  /**
   * How many blobs are pushed into the store at the same time. Meanwhile other blobs are served from the upstream and
   * are not stored. Default: 64.
   */
  readonly maxFills?: number | undefined
  /** How many bytes of a blob are buffered for its readers while it is pushed into the store. Default: 4 MiB. */
  readonly bufferBytes?: number | undefined
  /**
   * How long a reader that is slower than the buffer waits until the store has the blob. After that, it reads the rest
   * from the upstream. Default: 30 seconds.
   */
  readonly maxWait?: Duration.DurationInput | undefined
  /** How many tags, and how many not-found results, are kept in memory. Default: 10,000. */
  readonly maxRemembered?: number | undefined
  /**
   * The maximum size of manifests that are kept in memory because the store does not have them, in bytes. Default: 32
   * MiB.
   */
  readonly maxManifestBytes?: number | undefined
  /**
   * Whether the upstream may serve a manifest by a tag and refuse it by its digest, like a remote registry that filters
   * by tags. Then the cache serves a manifest by its digest only after the upstream has served it by that digest. The
   * cache detects a `Filter` in the same program without this option. Default: `false`.
   */
  readonly tagOnly?: boolean | undefined
}
