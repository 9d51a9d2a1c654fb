import type { RegistryError } from "@effect-oci/core"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Attempts } from "./attempts.js"

type Items<A> = Stream.Stream<A, RegistryError.RegistryError>

/** How to resume a list. */
interface List<O, A> {
  readonly ask: (attempts: Attempts, operation: O) => Effect.Effect<Items<A>, RegistryError.RegistryError>
  /** Returns the key that identifies an item. */
  readonly keyOf: (item: A) => string
  readonly limit?: number | undefined
  /**
   * Returns the operation that lists the items after `last`, when `seen` items were received. Absent if the list cannot
   * be resumed.
   */
  readonly after?: (last: A, seen: number) => O
}

/**
 * Returns a list that resumes after the last item received if it breaks. If the registry starts from the beginning,
 * because it does not support `last`, the items that were already received are skipped.
 */
export const relist = <O, A>(
  attempts: Attempts,
  operation: O,
  answer: Effect.Effect<Items<A>, RegistryError.RegistryError>,
  list: List<O, A>
): Effect.Effect<Items<A>, RegistryError.RegistryError> => {
  let unused: Attempts | undefined = attempts
  return Effect.map(attempts.repeat(answer, () => list.ask(attempts, operation)), (first) =>
    Stream.suspend(() => {
      const mine = unused ?? attempts.anew()
      unused = undefined
      return whole(mine, operation, first, list)
    }))
}

const whole = <O, A>(
  attempts: Attempts,
  operation: O,
  first: Items<A>,
  { after, ask, keyOf, limit = Infinity }: List<O, A>
): Items<A> => {
  let begin: A | undefined
  let last: A | undefined
  let seen = 0

  const note = (chunk: Chunk.Chunk<A>) => {
    for (const item of chunk) {
      begin ??= item
      last = item
      seen += 1
    }
    return chunk
  }

  const run = (items: Items<A>): Items<A> =>
    attempts.withinStream(items).pipe(
      Stream.mapChunks(note),
      Stream.catchAll((error) => seen >= limit ? Stream.empty : Stream.unwrap(rest(error)))
    )

  const rest = (error: RegistryError.RegistryError) => {
    const seenLast = last
    const missing = seenLast === undefined || after === undefined ? operation : after(seenLast, seen)
    return attempts.again(error).pipe(
      Effect.zipRight(attempts.persist(() => ask(attempts, missing))),
      Effect.map((items) => run(seenLast === undefined ? items : unseen(items, keyOf(seenLast), error)))
    )
  }

  /**
   * Returns the items after the last item received. If a list starts from the beginning and no longer contains that
   * item, it fails.
   */
  const unseen = (items: Items<A>, end: string, error: RegistryError.RegistryError): Items<A> =>
    Stream.suspend(() => {
      let passing = after === undefined ? false : undefined as boolean | undefined
      const pass = (item: A): boolean => {
        const key = keyOf(item)
        passing ??= key !== end && (begin === undefined || key !== keyOf(begin))
        if (passing) return true
        passing = key === end
        return false
      }
      return Stream.concat(
        Stream.mapChunks(items, Chunk.filter(pass)),
        Stream.suspend(() => passing === false ? Stream.fail(error) : Stream.empty)
      )
    })

  return run(first)
}
