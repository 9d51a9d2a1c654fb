/** What a registry must contain, as its clients know it. */

/** The value of a tag that does not exist. */
export const absent = "absent"

/**
 * Records what the registry acknowledged. A tag has several possible values while a request runs, and after a request
 * without an answer. Each tag belongs to one client, which sends one request at a time.
 */
export class Ledger {
  private readonly tags = new Map<string, ReadonlySet<string>>()
  private readonly deletedManifests = new Set<string>()
  private readonly branches = new Set<Ledger>()
  acknowledged = 0

  /** Begins a request that sets a tag. */
  begin(tag: string, value: string): void {
    this.tags.set(tag, new Set([...this.valuesOf(tag), value]))
    for (const branch of this.branches) branch.begin(tag, value)
  }

  /** Records that the registry acknowledged a request that sets a tag, or that a reader saw the value. */
  settle(tag: string, value: string): void {
    this.tags.set(tag, new Set([value]))
    this.acknowledged++
  }

  /** Records that the registry acknowledged the delete of a manifest. No client pushes it again. */
  deleted(manifest: string): void {
    this.deletedManifests.add(manifest)
  }

  valuesOf(tag: string): ReadonlySet<string> {
    return this.tags.get(tag) ?? new Set([absent])
  }

  /** Returns the tags that have this value, if there are no others that they can have. */
  tagsOf(value: string): ReadonlyArray<string> {
    return this.allTags.filter((tag) => this.valuesOf(tag).size === 1 && this.valuesOf(tag).has(value))
  }

  /** Returns the tags that may have this value. */
  possibleTagsOf(value: string): ReadonlyArray<string> {
    return this.allTags.filter((tag) => this.valuesOf(tag).has(value))
  }

  get allTags(): ReadonlyArray<string> {
    return [...this.tags.keys()]
  }

  get lastDeleted(): ReadonlyArray<string> {
    return [...this.deletedManifests].slice(-50)
  }

  /** Runs an effect. Returns the ledger of what is true at each moment while it runs. */
  async during(run: () => Promise<void>): Promise<Ledger> {
    const branch = new Ledger()
    for (const [tag, values] of this.tags) branch.tags.set(tag, values)
    for (const manifest of this.deletedManifests) branch.deletedManifests.add(manifest)
    branch.acknowledged = this.acknowledged
    this.branches.add(branch)
    try {
      await run()
    } finally {
      this.branches.delete(branch)
    }
    return branch
  }
}
