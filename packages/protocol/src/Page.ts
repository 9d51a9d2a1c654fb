/**
 * Pages: the parts in which a list is sent over HTTP. In this library a list is one stream.
 *
 * @since 0.1.0
 */
import type { Descriptor } from "@effect-oci/core/Descriptor"
import * as Operation from "@effect-oci/core/Operation"
import type { RegistryError } from "@effect-oci/core/RegistryError"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import type { Tag } from "@effect-oci/core/Tag"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as query from "./internal/query.js"
import * as Request from "./Request.js"

/**
 * The operations whose results are sent in pages.
 *
 * @since 0.1.0
 * @category models
 */
export type ListOperation = Operation.WithShape<"list">

/**
 * The type of an item of a list.
 *
 * @since 0.1.0
 * @category models
 */
export type ItemOf<O extends ListOperation> = Stream.Stream.Success<Operation.ResultOf<O>>

/**
 * A page of a list, and whether more items follow.
 *
 * @since 0.1.0
 * @category models
 */
export interface Page<A> {
  readonly items: ReadonlyArray<A>
  readonly more: boolean
}

/**
 * The default of servers for the maximum number of items in a page: 1000. A page has as many items if the request names no
 * number.
 *
 * @since 0.1.0
 * @category constants
 */
export const defaultSize = 1000

/**
 * The largest page that a server sends unless the options of the server say otherwise, in bytes: 4 MiB, which is also the
 * largest page that a client of this library reads.
 *
 * @since 0.1.0
 * @category constants
 */
export const defaultBytes: number = 4 * 1024 * 1024

/**
 * Returns the number of items in the page for an operation, given the largest allowed number.
 *
 * @since 0.1.0
 * @category combinators
 */
export const size = (operation: ListOperation, largest: number): number =>
  operation._tag === "ListReferrers" ? largest : Math.min(operation.limit ?? largest, largest)

/**
 * Returns the operation to run for a page of `size` items. It lists one item more, which shows whether another page
 * follows.
 *
 * @since 0.1.0
 * @category combinators
 */
export const widen = <O extends ListOperation>(operation: O, size: number): O => {
  switch (operation._tag) {
    case "ListRepositories":
      return new Operation.ListRepositories({ ...operation, limit: size + 1 }) as O
    case "ListTags":
      return new Operation.ListTags({ ...operation, limit: size + 1 }) as O
    case "ListReferrers":
      return operation
  }
}

/**
 * Returns the first page of a list: at most `size` items, and at most `maxBytes` bytes of JSON. Default of `maxBytes`:
 * no limit. The page has at least one item if the list has one, even if the item is larger than `maxBytes`. The rest of
 * the list is not read.
 *
 * @since 0.1.0
 * @category combinators
 */
export const take = <A>(
  list: Stream.Stream<A, RegistryError>,
  size: number,
  maxBytes: number = Infinity
): Effect.Effect<Page<A>, RegistryError> =>
  Effect.suspend(() => {
    const items: Array<A> = []
    let left = maxBytes - envelope
    const fits = (item: A): boolean => {
      if (items.length >= size) return false
      if (maxBytes !== Infinity) left -= jsonBytes(item)
      if (left < 0 && items.length > 0) return false
      items.push(item)
      return true
    }
    return Effect.map(
      Stream.runFoldWhile(list, true, (room) => room, (_, item) => fits(item)),
      (all) => ({ items, more: !all && size > 0 })
    )
  })

/** The number of bytes in a page reserved for the JSON around the items. A repository name has at most 255 bytes. */
const envelope = 512

/** Caches the sizes of descriptors, because a registry in memory lists the same objects many times. */
const sizes = new WeakMap<object, number>()

/** Returns the number of bytes that an item adds to a page. Names and tags are ASCII. */
const jsonBytes = (item: unknown): number => {
  if (typeof item === "string") return item.length + 3
  if (typeof item !== "object" || item === null) return String(item).length + 1
  const known = sizes.get(item)
  if (known !== undefined) return known
  const size = new TextEncoder().encode(JSON.stringify(item)).byteLength + 1
  sizes.set(item, size)
  return size
}

/**
 * Returns the digest of the last referrer before the page that a target names. {@link nextTarget} writes such targets.
 *
 * @since 0.1.0
 * @category combinators
 */
export const last = (operation: ListOperation, target: string): string | undefined => {
  const mark = target.indexOf("?")
  return operation._tag !== "ListReferrers" || mark < 0
    ? undefined
    : query.optional(query.parse(target.slice(mark + 1)), "last")
}

/**
 * Returns the list from the beginning of a page. The spec defines no parameter for pages of referrers, because their
 * URLs are opaque. This library uses `last`, the digest of the last item before the page. If that item no longer
 * exists, the list starts from its beginning, because the position of the item is unknown.
 *
 * @since 0.1.0
 * @category combinators
 */
export const resume = <A>(
  operation: ListOperation,
  list: Stream.Stream<A, RegistryError>,
  target: string
): Stream.Stream<A, RegistryError> => {
  const after = last(operation, target)
  if (after === undefined) return list
  return Stream.suspend(() => {
    let found = false
    const rest = Stream.dropUntil(list, (item) => found = (item as Descriptor).digest === after)
    return Stream.concat(rest, Stream.suspend(() => found ? Stream.empty : list))
  })
}

/**
 * Returns the target of the page that follows a page, or `undefined` if the page is empty.
 *
 * @since 0.1.0
 * @category combinators
 */
export const nextTarget = (operation: ListOperation, page: Page<unknown>, size: number): string | undefined => {
  const final = page.items[page.items.length - 1]
  if (final === undefined) return undefined
  switch (operation._tag) {
    case "ListRepositories":
      return Request.encode(new Operation.ListRepositories({ last: final as RepositoryName, limit: size })).target
    case "ListTags": {
      const { repository } = operation
      return Request.encode(new Operation.ListTags({ repository, last: final as Tag, limit: size })).target
    }
    case "ListReferrers": {
      const { target } = Request.encode(operation)
      return `${target}${target.includes("?") ? "&" : "?"}last=${encodeURIComponent((final as Descriptor).digest)}`
    }
  }
}
