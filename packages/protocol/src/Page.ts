/**
 * Pages: how a list, which is one stream here, goes over the wire in parts.
 *
 * @since 0.1.0
 */
import * as Operation from "@effect-oci/core/Operation"
import type { RegistryError } from "@effect-oci/core/RegistryError"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

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
 * The first page of a list. The rest of the list is not read.
 *
 * @since 0.1.0
 * @category combinators
 */
export const take = <A>(list: Stream.Stream<A, RegistryError>, size: number): Effect.Effect<Page<A>, RegistryError> =>
  Effect.map(Stream.runCollect(Stream.take(list, size + 1)), (items) => ({
    items: Chunk.toReadonlyArray(Chunk.take(items, size)),
    more: items.length > size && size > 0
  }))
