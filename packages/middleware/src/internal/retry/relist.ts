import type { RegistryError } from "@effect-oci/core"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Attempts } from "./attempts.js"

type Items<A> = Stream.Stream<A, RegistryError.RegistryError>

/** What is to be known of a list to go on with it. */
interface List<O, A> {
  readonly ask: (attempts: Attempts, operation: O) => Effect.Effect<Items<A>, RegistryError.RegistryError>
  /** What tells one item from another. */
  readonly keyOf: (item: A) => string
  readonly limit?: number | undefined
  /** The same list after an item, of which so many were seen, where that can be asked for. */
  readonly after?: (last: A, seen: number) => O
}

/**
 * A list, which goes on after the last item that was seen where it breaks. Where that comes from the beginning again,
 * as from a registry that does not know `last`, what was seen is passed over.
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

  /** The items after the last that was seen. A list that begins anew and does not have that any more is a broken one. */
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
