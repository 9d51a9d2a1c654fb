import * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import type { ItemOf, ListOperation } from "@effect-oci/protocol/Page"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import { constVoid } from "effect/Function"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Exchange } from "./exchange.js"
import * as pages from "./pages.js"
import type { WholeLists } from "./wholeLists.js"

/** Reads a list. `onPage` runs for each page that the registry answers. */
export interface List {
  <O extends ListOperation>(operation: O, onPage?: () => void): Stream.Stream<ItemOf<O>, RegistryError.RegistryError>
}

/** The lists that have an order, `last` and `limit`. */
type Ordered = Operation.ListRepositories | Operation.ListTags

type Name = ItemOf<Ordered>
type Names = Stream.Stream<Name, RegistryError.RegistryError>

/**
 * Reads lists. It returns exactly the items after `last`, in ASCII order, each once, however the registry treats `n`,
 * `last`, the order and `Link`.
 *
 * | the registry                              | the client                                                     |
 * | ----------------------------------------- | -------------------------------------------------------------- |
 * | returns pages in order                    | streams the pages                                              |
 * | returns a first page that is out of order | reads the whole list, sorts it, and keeps it for the next call |
 * | ignores `last`                            | does the same                                                  |
 * | is out of order on a later page           | sorts that page, and reads whole lists from then on            |
 *
 * Referrers have no order and no `last`. They are returned in the registry's order, each once.
 */
export const make = (exchange: Exchange, options: pages.PageOptions, whole: WholeLists): List => {
  const { maxSorted, pageSize } = options
  /** The kinds of lists that this registry has returned out of order. */
  const unordered = new Set<ListOperation["_tag"]>()

  /** Streams the pages from `turn`, each in order. `last` is the last item before these pages. */
  const pagesFrom = <A>(
    { fetch }: pages.Pages<A>,
    operation: ListOperation,
    turn: pages.Turn | undefined,
    last?: string
  ): Stream.Stream<A, RegistryError.RegistryError> => {
    if (turn === undefined) return Stream.empty
    let frontier = last
    return Stream.paginateChunkEffect(turn, (turn) =>
      Effect.map(fetch(turn), ({ items, next }) => {
        const ordered = operation._tag === "ListReferrers" || isOrdered(items, frontier)
        if (!ordered) unordered.add(operation._tag)
        const page = ordered ? items : sorted(items)
        frontier = lastKey(page) ?? frontier
        return [Chunk.unsafeFromArray(page), Option.fromNullable(next)] as const
      }))
  }

  /** Reads the rest of a list that is out of order, sorts the list, and keeps it. */
  const collect = (operation: Ordered, { fetch }: pages.Pages<Name>, start: pages.Fetched<Name>) =>
    Effect.gen(function*() {
      const all = [...start.items]
      for (let { next } = start; next !== undefined;) {
        const page = yield* fetch(next)
        for (const item of page.items) all.push(item)
        if (all.length > maxSorted) return yield* tooLong(operation)
        next = page.next
      }
      const items = sorted(all)
      yield* whole.set(operation, items)
      return items
    })

  const tooLong = (operation: Ordered) =>
    new RegistryError.ResponseInvalid({
      ...exchange.fields(operation),
      reason:
        `its list is out of order, and has more than the ${maxSorted} items that the client sorts (option maxSorted)`
    })

  /** Reads a list from its first item. */
  const fromStart = (operation: Ordered, onPage: () => void): Effect.Effect<Names, RegistryError.RegistryError> =>
    Effect.gen(function*() {
      // The client needs a full page to see whether the list is in order.
      const size = operation.limit === 0 ? 0 : pageSize
      const walk = pages.open(exchange, options, ofSize(operation, undefined, size), onPage)
      const page = yield* walk.fetch(walk.first)
      if (unordered.has(operation._tag) || !isOrdered(page.items)) {
        unordered.add(operation._tag)
        return fromArray(yield* collect(operation, walk, page))
      }
      if (page.whole) yield* whole.set(operation, page.items)
      return Stream.concat(fromArray(page.items), pagesFrom(walk, operation, page.next, lastKey(page.items)))
    })

  /** Reads a list after an item. */
  const after = (
    operation: Ordered,
    last: string,
    onPage: () => void
  ): Effect.Effect<Names, RegistryError.RegistryError> =>
    Effect.gen(function*() {
      const kept = yield* whole.get(operation)
      if (kept !== undefined) return fromArray(kept.slice(indexAfter(kept, last)))
      if (!unordered.has(operation._tag)) {
        const size = Math.min(operation.limit ?? Infinity, pageSize)
        const walk = pages.open(exchange, options, ofSize(operation, operation.last, size), onPage)
        const page = yield* walk.fetch(walk.first)
        // Some registries include `last` in the page.
        const items = page.items[0] === last ? page.items.slice(1) : page.items
        if (isOrdered(items, last)) {
          return Stream.concat(fromArray(items), pagesFrom(walk, operation, page.next, lastKey(items) ?? last))
        }
        unordered.add(operation._tag)
      }
      return yield* fromStart(operation, onPage)
    }).pipe(Effect.map(Stream.filter((item) => item > last)))

  const ordered = (operation: Ordered, onPage: () => void): Names => {
    const { last, limit } = operation
    const items = last === undefined ? fromStart(operation, onPage) : after(operation, last, onPage)
    return Stream.unwrap(limit === undefined ? items : Effect.map(items, Stream.take(limit)))
  }

  const referrers = (operation: Operation.ListReferrers, onPage: () => void) =>
    Stream.suspend(() => {
      const walk = pages.open(exchange, options, operation, onPage)
      return pagesFrom(walk, operation, walk.first)
    })

  return (operation: ListOperation, onPage: () => void = constVoid) =>
    (operation._tag === "ListReferrers" ? referrers(operation, onPage) : ordered(operation, onPage)) as Stream.Stream<
      never,
      RegistryError.RegistryError
    >
}

const fromArray = <A>(items: ReadonlyArray<A>): Stream.Stream<A> => Stream.fromChunk(Chunk.unsafeFromArray(items))

/** Returns the operation for one page of the list. */
const ofSize = (operation: Ordered, last: Ordered["last"], limit: number): Ordered =>
  operation._tag === "ListTags"
    ? new Operation.ListTags({ ...operation, last: last as Operation.ListTags["last"], limit })
    : new Operation.ListRepositories({ last: last as Operation.ListRepositories["last"], limit })

/** Returns whether items are in ascending ASCII order, and after the item `after` if it is set. */
const isOrdered = (items: ReadonlyArray<unknown>, after?: string): boolean => {
  let last = after
  for (const item of items as ReadonlyArray<string>) {
    if (last !== undefined && item <= last) return false
    last = item
  }
  return true
}

const sorted = <A>(items: ReadonlyArray<A>): ReadonlyArray<A> =>
  items.toSorted((a, b) => pages.keyOf(a) < pages.keyOf(b) ? -1 : 1)

const lastKey = (items: ReadonlyArray<unknown>): string | undefined => {
  const last = items[items.length - 1]
  return last === undefined ? undefined : pages.keyOf(last)
}

/** Returns the index of the first item after `last`. */
const indexAfter = (items: ReadonlyArray<Name>, last: string): number => {
  let from = 0
  let to = items.length
  while (from < to) {
    const middle = (from + to) >>> 1
    if (items[middle]! <= last) from = middle + 1
    else to = middle
  }
  return from
}
