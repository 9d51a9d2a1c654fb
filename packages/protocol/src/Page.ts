/**
 * Pages: how a list, which is one stream here, goes over the wire in parts.
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
 * The operations that are answered in pages.
 *
 * @since 0.1.0
 * @category models
 */
export type ListOperation = Operation.ListRepositories | Operation.ListTags | Operation.ListReferrers

/**
 * An item of such a list.
 *
 * @since 0.1.0
 * @category models
 */
export type ItemOf<O extends ListOperation> = Stream.Stream.Success<Operation.ResultOf<O>>

/**
 * A part of a list, and whether more follows.
 *
 * @since 0.1.0
 * @category models
 */
export interface Page<A> {
  readonly items: ReadonlyArray<A>
  readonly more: boolean
}

/**
 * The size of a page where the request names none, and the largest that is given.
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
 * How many items the page that an operation asks for has, given the largest that is allowed.
 *
 * @since 0.1.0
 * @category combinators
 */
export const size = (operation: ListOperation, largest: number): number =>
  operation._tag === "ListReferrers" ? largest : Math.min(operation.limit ?? largest, largest)

/**
 * The operation to run for a page of `size`: it asks for one item more, which tells whether another page follows.
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
    default:
      return operation
  }
}

/**
 * Returns the first page of a list: at most `size` items, and at most `maxBytes` bytes of JSON. Default of `maxBytes`: no
 * limit. A page has at least one item if the list has one, however large the item is. The rest of the list is not read.
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

/** How many bytes of a page are for what is around the items. A repository name has at most 255 bytes. */
const envelope = 512

/** A registry in memory lists the same descriptors again and again. */
const sizes = new WeakMap<object, number>()

/** How many bytes an item adds to a page. Names and tags are ASCII. */
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
 * Returns the digest of the last referrer before the page that a target names, as {@link nextTarget} writes it.
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
 * The list from where a page begins. The spec has no parameter for that in lists of referrers, whose next pages are
 * opaque: there it is ours, the digest of the last item before the page. Where that is gone meanwhile the list begins
 * anew, as nobody knows what came after it.
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
 * The target of the page after one.
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
    default: {
      const { target } = Request.encode(operation)
      return `${target}${target.includes("?") ? "&" : "?"}last=${encodeURIComponent((final as Descriptor).digest)}`
    }
  }
}
