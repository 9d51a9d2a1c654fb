import * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import type { ItemOf, ListOperation } from "@effect-oci/protocol/Page"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import { constVoid } from "effect/Function"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { HttpExchange, Result } from "./httpExchange.js"
import * as pages from "./pages.js"
import type { WholeLists } from "./wholeLists.js"

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
export class Lists {
  /** The kinds of lists that this registry has returned out of order. */
  readonly #unordered = new Set<ListOperation["_tag"]>()

  constructor(
    private readonly http: HttpExchange,
    private readonly options: pages.PageOptions,
    private readonly wholeLists: WholeLists
  ) {}

  /** Reads a list. `onPage` runs for each page that the registry answers. */
  read<O extends ListOperation>(
    operation: O,
    onPage?: () => void
  ): Stream.Stream<ItemOf<O>, RegistryError.RegistryError>
  read(operation: ListOperation, onPage: () => void = constVoid): Stream.Stream<unknown, RegistryError.RegistryError> {
    return operation._tag === "ListReferrers"
      ? Stream.suspend(() => {
        const list = pages.open(this.http, this.options, operation, onPage)
        return this.#pagesFrom(list, operation, list.first)
      })
      : this.#ordered(operation, onPage)
  }

  #ordered(operation: Ordered, onPage: () => void): Names {
    const { last, limit } = operation
    const items = last === undefined ? this.#fromStart(operation, onPage) : this.#after(operation, last, onPage)
    return Stream.unwrap(limit === undefined ? items : Effect.map(items, Stream.take(limit)))
  }

  /** Reads a list from its first item. */
  #fromStart(operation: Ordered, onPage: () => void): Result<Names> {
    return Effect.gen(this, function*() {
      // The client needs a full page to see whether the list is in order.
      const size = operation.limit === 0 ? 0 : this.options.pageSize
      const list = pages.open(this.http, this.options, ofSize(operation, undefined, size), onPage)
      const page = yield* list.fetch(list.first)
      if (this.#unordered.has(operation._tag) || !isOrdered(page.items)) {
        this.#unordered.add(operation._tag)
        return fromArray(yield* this.#collect(operation, list, page))
      }
      if (page.isWholeList) yield* this.wholeLists.set(operation, page.items)
      return Stream.concat(fromArray(page.items), this.#pagesFrom(list, operation, page.next, lastKey(page.items)))
    })
  }

  /** Reads a list after an item. */
  #after(operation: Ordered, last: string, onPage: () => void): Result<Names> {
    return Effect.gen(this, function*() {
      const wholeList = yield* this.wholeLists.get(operation)
      if (wholeList !== undefined) return fromArray(wholeList.slice(indexAfter(wholeList, last)))
      if (!this.#unordered.has(operation._tag)) {
        const size = Math.min(operation.limit ?? Infinity, this.options.pageSize)
        const list = pages.open(this.http, this.options, ofSize(operation, operation.last, size), onPage)
        const page = yield* list.fetch(list.first)
        // Some registries include `last` in the page.
        const items = page.items[0] === last ? page.items.slice(1) : page.items
        if (isOrdered(items, last)) {
          return Stream.concat(fromArray(items), this.#pagesFrom(list, operation, page.next, lastKey(items) ?? last))
        }
        this.#unordered.add(operation._tag)
      }
      return yield* this.#fromStart(operation, onPage)
    }).pipe(Effect.map(Stream.filter((item) => item > last)))
  }

  /** Reads the rest of a list that is out of order, sorts the list, and keeps it. */
  #collect(operation: Ordered, list: pages.Pages<Name>, start: pages.Page<Name>): Result<ReadonlyArray<Name>> {
    const { maxSorted } = this.options
    return Effect.gen(this, function*() {
      const all = [...start.items]
      for (let { next } = start; next !== undefined;) {
        const page = yield* list.fetch(next)
        for (const item of page.items) all.push(item)
        if (all.length > maxSorted) {
          return yield* new RegistryError.ResponseInvalid({
            ...this.http.fields(operation),
            reason:
              `the list is out of order and has more than the ${maxSorted} items that the client sorts: raise maxSorted`
          })
        }
        next = page.next
      }
      const items = sorted(all)
      yield* this.wholeLists.set(operation, items)
      return items
    })
  }

  /** Streams the pages from `first`, each in order. `last` is the last item before these pages. */
  #pagesFrom<A>(
    { fetch }: pages.Pages<A>,
    operation: ListOperation,
    first: pages.PageRequest | undefined,
    last?: string
  ): Stream.Stream<A, RegistryError.RegistryError> {
    if (first === undefined) return Stream.empty
    let previous = last
    return Stream.paginateChunkEffect(first, (request) =>
      Effect.map(fetch(request), ({ items, next }) => {
        const ordered = operation._tag === "ListReferrers" || isOrdered(items, previous)
        if (!ordered) this.#unordered.add(operation._tag)
        const page = ordered ? items : sorted(items)
        previous = lastKey(page) ?? previous
        return [Chunk.unsafeFromArray(page), Option.fromNullable(next)] as const
      }))
  }
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
