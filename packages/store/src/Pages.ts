/**
 * Lists of a store as streams.
 *
 * @since 0.1.0
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"

/**
 * Returns a list of a store as a stream. `page` is a method of the store that lists, and `key` returns the key of an
 * item. Each page starts after the last item of the page before, so no item is listed twice while the list changes.
 *
 * `size` is the number of items in one call of the store. Default: 100.
 *
 * @since 0.1.0
 * @category streams
 * @example
 * ```ts
 * import { MetadataStore, Pages } from "@effect-oci/store"
 * import { Effect, Stream } from "effect"
 *
 * const blobs = Stream.unwrap(
 *   Effect.map(
 *     MetadataStore.MetadataStore,
 *     (metadata) => Pages.stream(metadata.inspectBlobs, ({ descriptor }) => descriptor.digest, 1000)
 *   )
 * )
 * ```
 */
export const stream = <A, K, E>(
  page: (after: K | undefined, n: number) => Effect.Effect<ReadonlyArray<A>, E>,
  key: (item: A) => K,
  size = 100
): Stream.Stream<A, E> =>
  Stream.paginateChunkEffect(
    undefined as K | undefined,
    (after) =>
      Effect.map(page(after, size), (items) => {
        const last = items.at(-1)
        const next = last === undefined || items.length < size ? Option.none() : Option.some<K | undefined>(key(last))
        return [Chunk.unsafeFromArray(items), next] as const
      })
  )
