/**
 * Maps with a maximum size, which remove the least recently used entries.
 *
 * @since 0.1.0
 */

/**
 * A map that removes its least recently used entries when the weight of all entries exceeds a maximum, so that clients
 * cannot fill the memory. Values are not `undefined`.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { LruMap } from "@effect-oci/core/LruMap"
 *
 * const tokens = new LruMap<string, string>(1000)
 * const manifests = new LruMap<string, Uint8Array>(32 * 1024 * 1024, (bytes) => bytes.byteLength)
 * const byHost = new LruMap<string, string, string>(1000, undefined, (url) => new URL(url).host)
 * ```
 */
export class LruMap<K, V, G = never> {
  // A `Map` iterates in insertion order.
  readonly #entries = new Map<K, V>()
  /** The keys of each group. */
  readonly #groups = new Map<G, Set<K>>()
  #weight = 0
  /** The key that was used last, if it still has an entry. A map that is used for one key alone moves nothing. */
  #newest: K | undefined

  /**
   * Creates a map. `weigh` returns the weight of a value, which must not change. Default: 1, so the map counts entries.
   * `groupOf` returns the group that an entry belongs to, for {@link deleteGroup}. Default: no groups.
   */
  constructor(
    private readonly maxWeight: number,
    private readonly weigh: (value: V) => number = () => 1,
    private readonly groupOf?: (key: K) => G
  ) {}

  get size(): number {
    return this.#entries.size
  }

  get weight(): number {
    return this.#weight
  }

  /** Returns the value of a key, and marks the entry as used. */
  get(key: K): V | undefined {
    const value = this.#entries.get(key)
    if (value === undefined || key === this.#newest) return value
    this.#entries.delete(key)
    this.#entries.set(key, value)
    this.#newest = key
    return value
  }

  /** Sets the value of a key. A value that is heavier than the maximum is not kept. */
  set(key: K, value: V): void {
    this.delete(key)
    const weight = this.weigh(value)
    if (weight > this.maxWeight) return
    this.#entries.set(key, value)
    this.#newest = key
    this.#weight += weight
    this.#join(key)
    for (const oldest of this.#entries.keys()) {
      if (this.#weight <= this.maxWeight) return
      this.delete(oldest)
    }
  }

  delete(key: K): void {
    const value = this.#entries.get(key)
    if (value === undefined) return
    this.#entries.delete(key)
    if (key === this.#newest) this.#newest = undefined
    this.#weight -= this.weigh(value)
    this.#leave(key)
  }

  /** Deletes the entries of a group. Visits no other entries. */
  deleteGroup(group: G): void {
    for (const key of this.#groups.get(group) ?? []) this.delete(key)
  }

  /** Deletes the entries that a predicate selects. */
  deleteWhere(isSelected: (key: K, value: V) => boolean): void {
    for (const [key, value] of this.#entries) if (isSelected(key, value)) this.delete(key)
  }

  /** Returns the entries, the least recently used first. */
  entries(): Iterable<readonly [K, V]> {
    return this.#entries.entries()
  }

  #join(key: K): void {
    if (this.groupOf === undefined) return
    const group = this.groupOf(key)
    const keys = this.#groups.get(group)
    if (keys === undefined) this.#groups.set(group, new Set([key]))
    else keys.add(key)
  }

  #leave(key: K): void {
    if (this.groupOf === undefined) return
    const group = this.groupOf(key)
    const keys = this.#groups.get(group)
    if (keys?.delete(key) === true && keys.size === 0) this.#groups.delete(group)
  }
}
