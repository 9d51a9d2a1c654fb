/**
 * Deletes what is no longer needed: expired upload sessions, content that nothing refers to, and bytes without metadata.
 *
 * A registry of `Store` runs the collector by itself. Use this module to run it as a command, or in a process of its
 * own. Several collectors may run at the same time, also while clients push.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { BlobStore } from "./BlobStore.js"
import * as pass from "./internal/collect.js"
import type { Report } from "./internal/collect.js"
import * as confirmed from "./internal/confirmed.js"
import * as every from "./internal/every.js"
import { MetadataStore } from "./MetadataStore.js"
import type { CommandFailure, ReviewPolicy } from "./MetadataStore.js"

export type { Report }

/**
 * Options that say how long content is kept.
 *
 * @since 0.1.0
 * @category models
 */
export interface Policy {
  /**
   * How long content is kept although nothing refers to it: after its push, and after the delete of what referred to
   * it. A resolve that finds content keeps it for at least half of this time, so that a client can push a manifest long
   * after it found the blobs. Default: 24 hours.
   */
  readonly grace?: Duration.DurationInput | undefined
  /**
   * Whether manifests are deleted that have no tag, are not listed by another manifest, and are not referrers of a
   * manifest. Default: `keep`.
   */
  readonly untagged?: "keep" | "delete" | undefined
  /** How long the bytes of a deleted blob remain for reads that have begun. Default: 0. */
  readonly readable?: Duration.DurationInput | undefined
}

/**
 * Returns a policy with all defaults filled in.
 *
 * @since 0.1.0
 * @category constructors
 */
export const policy = (options?: Policy): ReviewPolicy => ({
  untagged: options?.untagged ?? "keep",
  grace: Duration.decode(options?.grace ?? "24 hours"),
  readable: Duration.decode(options?.readable ?? 0)
})

/**
 * Runs one full pass. Returns what was removed. Calls `onProgress` after each batch with the sums so far.
 *
 * Bytes without metadata, which a crash can leave behind, are deleted when they are older than `grace`, and at least one
 * hour old. A failure ends the pass; the next pass continues.
 *
 * @since 0.1.0
 * @category running
 * @example
 * ```ts
 * import { Collector } from "@effect-oci/store"
 * import { Console } from "effect"
 *
 * const program = Collector.collect({
 *   untagged: "delete",
 *   onProgress: ({ blobs, manifests }) => Console.log(`${manifests} manifests, ${blobs} blobs removed`)
 * })
 * ```
 */
export const collect = (
  options?: Policy & { readonly onProgress?: ((report: Report) => Effect.Effect<void>) | undefined }
): Effect.Effect<Report, CommandFailure, BlobStore | MetadataStore> =>
  Effect.flatMap(Effect.all({ blobs: BlobStore, metadata: MetadataStore }), (stores) =>
    Effect.map(
      pass.run(confirmed.make(stores), {
        policy: policy(options),
        since: 0,
        onProgress: options?.onProgress ?? (() => Effect.void)
      }),
      ({ report }) => report
    ))

/**
 * Creates a layer that runs the collector at its start, and then again and again. Logs the failures. `every` is the time
 * between two passes. Default: 15 minutes.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options?: Policy & { readonly every?: Duration.DurationInput | undefined }
): Layer.Layer<never, never, BlobStore | MetadataStore> =>
  every.layer(options?.every ?? "15 minutes", "The collector failed. It runs again later.", collect(options))
