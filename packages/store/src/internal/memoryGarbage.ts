import type { BlobKey } from "../BlobStore.js"
import type * as MetadataStore from "../MetadataStore.js"
import { DueQueue } from "./dueQueue.js"

/** The released bytes of a store, which await deletion. */
export class GarbageList {
  private readonly items = new Map<BlobKey, MetadataStore.Garbage>()
  private readonly due = new DueQueue<BlobKey>()

  has(key: BlobKey): boolean {
    return this.items.has(key)
  }

  /** Adds garbage that may be deleted from `notBefore` on. */
  add({ key, token }: MetadataStore.Garbage, notBefore: number): void {
    if (this.items.has(key)) return
    this.items.set(key, { key, token })
    this.due.set(key, notBefore)
  }

  /** Returns at most `n` pieces of garbage that may be deleted at `now`. Does not return them again before `until`. */
  claim(n: number, now: number, until: number): ReadonlyArray<MetadataStore.Garbage> {
    return this.due.due(now, n).map((key) => {
      this.due.set(key, until)
      return this.items.get(key)!
    })
  }

  forget(key: BlobKey): void {
    this.items.delete(key)
    this.due.delete(key)
  }
}
