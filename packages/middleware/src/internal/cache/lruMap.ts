import type { RepositoryName } from "@effect-oci/core"

type Name = RepositoryName.RepositoryName

interface Entry<A> {
  readonly repository: Name
  readonly value: A
  readonly weight: number
}

/** An LRU map with a maximum weight, whose entries belong to repositories. */
export class Remembered<A> {
  readonly #entries = new Map<string, Entry<A>>()
  readonly #keys = new Map<Name, Set<string>>()
  #weight = 0

  constructor(private readonly max: number, private readonly weigh: (value: A) => number = () => 1) {}

  get(key: string): A | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    return entry.value
  }

  set(repository: Name, key: string, value: A): void {
    this.delete(key)
    const weight = this.weigh(value)
    if (weight > this.max) return
    this.#entries.set(key, { repository, value, weight })
    this.#weight += weight
    const keys = this.#keys.get(repository)
    if (keys === undefined) this.#keys.set(repository, new Set([key]))
    else keys.add(key)
    for (const oldest of this.#entries.keys()) {
      if (this.#weight <= this.max) break
      this.delete(oldest)
    }
  }

  delete(key: string): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    this.#entries.delete(key)
    this.#weight -= entry.weight
    const keys = this.#keys.get(entry.repository)
    keys?.delete(key)
    if (keys?.size === 0) this.#keys.delete(entry.repository)
  }

  /** Removes all entries of a repository. */
  forget(repository: Name): void {
    for (const key of this.#keys.get(repository) ?? []) this.delete(key)
  }
}
