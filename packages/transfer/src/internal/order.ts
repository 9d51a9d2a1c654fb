/**
 * Sorts items into steps, so that each item comes in a later step than the items that must come before it. Items that wait
 * for each other in a cycle come last, in one step. Takes linear time, and no recursion at any depth.
 */
export const steps = <Key, A>(
  all: ReadonlyMap<Key, A>,
  before: (one: A) => ReadonlyArray<Key>
): ReadonlyArray<ReadonlyArray<A>> => {
  const waiting = new Map<Key, number>()
  const after = new Map<Key, Array<Key>>()
  for (const [key, one] of all) {
    const needs = [...new Set(before(one))].filter((need) => all.has(need))
    waiting.set(key, needs.length)
    for (const need of needs) {
      const others = after.get(need)
      if (others === undefined) after.set(need, [key])
      else others.push(key)
    }
  }
  const found: Array<ReadonlyArray<A>> = []
  const take = (keys: ReadonlyArray<Key>) => {
    if (keys.length > 0) found.push(keys.map((key) => all.get(key)!))
    for (const key of keys) waiting.delete(key)
  }
  const ready = () => [...waiting].flatMap(([key, count]) => count === 0 ? [key] : [])
  let step: ReadonlyArray<Key> = ready()
  while (step.length > 0) {
    take(step)
    step = step.flatMap((key) =>
      (after.get(key) ?? []).filter((other) => {
        const left = (waiting.get(other) ?? 0) - 1
        waiting.set(other, left)
        return left === 0
      })
    )
  }
  take([...waiting.keys()])
  return found
}
