import * as ordered from "./ordered.js"

/** A map that also lists its values in pages, in ASCII order of the keys. */
export class OrderedMap<K extends string, A> {
  private readonly values = new Map<K, A>()
  private keys = ordered.empty<K, K>()

  get size(): number {
    return this.values.size
  }

  get(key: K): A | undefined {
    return this.values.get(key)
  }

  has(key: K): boolean {
    return this.values.has(key)
  }

  set(key: K, value: A): void {
    if (!this.values.has(key)) this.keys = ordered.set(this.keys, key, key)
    this.values.set(key, value)
  }

  delete(key: K): void {
    if (this.values.delete(key)) this.keys = ordered.remove(this.keys, key)
  }

  /** Returns at most `n` values that satisfy a predicate, from the keys after `after`. */
  page(after: K | undefined, n: number, predicate: (value: A) => boolean = () => true): ReadonlyArray<A> {
    return ordered.page(this.keys, after, n, (key) => predicate(this.values.get(key)!))
      .map((key) => this.values.get(key)!)
  }
}
