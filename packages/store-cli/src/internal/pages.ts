import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"

const pageSize = 1000

/** Returns all items of a list that a store returns in pages. */
export const all = <A, K, E>(
  page: (after: K | undefined, n: number) => Effect.Effect<ReadonlyArray<A>, E>,
  key: (item: A) => K
): Stream.Stream<A, E> =>
  Stream.paginateChunkEffect(undefined as K | undefined, (after) =>
    Effect.map(page(after, pageSize), (items) => {
      const last = items.at(-1)
      return [
        Chunk.unsafeFromArray(items),
        last === undefined || items.length < pageSize ? Option.none() : Option.some(key(last))
      ]
    }))
