import { printable, RegistryError } from "@effect-oci/core"
import type { Operation } from "@effect-oci/core"
import * as Chunk from "effect/Chunk"
import * as Exit from "effect/Exit"
import * as Order from "effect/Order"
import * as Stream from "effect/Stream"

type Items<A> = Stream.Stream<A, RegistryError.RegistryError>

/** What a member lists, and its name. */
export interface Listed<A> {
  readonly name: string
  readonly items: Items<A>
}

/**
 * The lists of members as one, in ASCII order and each item once. It is read as far as it is asked for, and holds a chunk
 * of each member's. A member whose list is out of order cannot be merged: `ResponseInvalid`, which names it.
 */
export const mergeSorted = <A extends string>(
  members: ReadonlyArray<Listed<A>>,
  asked: ReturnType<typeof Operation.errorFields>
): Items<A> => {
  const [first, ...others] = members.map((member) => inOrder(member, asked))
  if (first === undefined) return Stream.empty
  if (others.length === 0) return first
  return Stream.map(others.map(keyed).reduce(merge, keyed(first)), ([item]) => item)
}

const keyed = <A>(items: Items<A>): Items<readonly [A, A]> => Stream.map(items, (item) => [item, item] as const)

const same = <A>(item: A): A => item

const merge = <A extends string>(one: Items<readonly [A, A]>, other: Items<readonly [A, A]>): Items<readonly [A, A]> =>
  Stream.zipAllSortedByKeyWith(one, { other, onSelf: same, onOther: same, onBoth: same, order: Order.string })

const inOrder = <A extends string>(
  { items, name }: Listed<A>,
  asked: ReturnType<typeof Operation.errorFields>
): Items<A> =>
  Stream.suspend(() => {
    let last: A | undefined
    return Stream.mapChunksEffect(items, (chunk) => {
      const next: Array<A> = []
      for (const item of chunk) {
        if (last !== undefined && item < last) {
          const reason = `the list of ${name} is out of order: "${printable(item, 60)}" comes after "${
            printable(last, 60)
          }"`
          return Exit.fail(new RegistryError.ResponseInvalid({ ...asked, reason }))
        }
        if (item !== last) next.push(item)
        last = item
      }
      return Exit.succeed(Chunk.unsafeFromArray(next))
    })
  })
