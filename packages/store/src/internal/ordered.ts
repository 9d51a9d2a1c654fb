import * as Order from "effect/Order"
import * as RedBlackTree from "effect/RedBlackTree"

/** Values by key, in the order of the keys' code units: for names, tags and digests that is ASCII order. */
export type Ordered<K extends string, A> = RedBlackTree.RedBlackTree<K, A>

export const empty = <K extends string, A>(): Ordered<K, A> => RedBlackTree.empty<K, A>(Order.string)

export const remove = <K extends string, A>(self: Ordered<K, A>, key: K): Ordered<K, A> =>
  RedBlackTree.removeFirst(self, key)

/** Sets the value of a key. Replaces an existing value. */
export const set = <K extends string, A>(self: Ordered<K, A>, key: K, value: A): Ordered<K, A> =>
  RedBlackTree.insert(remove(self, key), key, value)

/** Returns at most `n` values that satisfy a predicate, from the keys after `after`. */
export const page = <K extends string, A>(
  self: Ordered<K, A>,
  after: K | undefined,
  n: number,
  predicate: (value: A) => boolean = () => true
): ReadonlyArray<A> => {
  const items: Array<A> = []
  if (!(n > 0)) return items
  for (const [, value] of RedBlackTree.greaterThan(self, after ?? "" as K)) {
    if (!predicate(value)) continue
    items.push(value)
    if (items.length >= n) break
  }
  return items
}
