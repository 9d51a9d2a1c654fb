/**
 * Maps with a limited number of entries.
 *
 * @since 0.1.0
 */

/**
 * A map that removes the least recently used entry when it is full, so that clients cannot fill the memory.
 *
 * @since 0.1.0
 * @category models
 */
export interface LruMap<V> {
  readonly get: (key: string) => V | undefined
  readonly set: (key: string, value: V) => void
  readonly delete: (key: string) => void
  readonly entries: () => Iterable<readonly [string, V]>
}

/**
 * Creates a map that holds at most `capacity` entries.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <V extends object | string | number>(capacity: number): LruMap<V> => {
  // A `Map` iterates in insertion order.
  const table = new Map<string, V>()
  const add = (key: string, value: V) => {
    table.delete(key)
    table.set(key, value)
  }
  return {
    get: (key) => {
      const value = table.get(key)
      if (value !== undefined) add(key, value)
      return value
    },
    set: (key, value) => {
      add(key, value)
      for (const oldest of table.keys()) {
        if (table.size <= capacity) return
        table.delete(oldest)
      }
    },
    delete: (key) => void table.delete(key),
    entries: () => table.entries()
  }
}
