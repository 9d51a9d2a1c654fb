import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"

/** The number of items in one call of a store. */
const size = 100

/** Returns a list of a store as a stream. Each page starts after the last item of the page before. */
export const stream = <A, K, E>(
  page: (after: K | undefined, n: number) => Effect.Effect<ReadonlyArray<A>, E>,
  key: (item: A) => K
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
