import type { RepositoryName, Tag } from "@effect-oci/core"
import { LruMap } from "@effect-oci/core/LruMap"
import type { Entry, Recorder } from "../../CacheJournal.js"

type Name = RepositoryName.RepositoryName

/** A tag, the manifest that it points at, and until when this is valid. */
type Tagged = Extract<Entry, { readonly _tag: "Tagged" }>

const keyOf = (repository: Name, tag: string): string => `${repository}:${tag}`

/** The tags that a cache has resolved. */
export class CachedTags {
  readonly #tags: LruMap<string, Tagged, string>

  constructor(private readonly recorder: Recorder, maxRemembered: number, entries: Iterable<Entry> = []) {
    this.#tags = new LruMap(maxRemembered, undefined, (key) => key.slice(0, key.indexOf(":")))
    for (const entry of entries) this.#apply(entry)
  }

  get(repository: Name, tag: string): Tagged | undefined {
    return this.#tags.get(keyOf(repository, tag))
  }

  set(tagged: Omit<Tagged, "_tag">): void {
    this.#change({ _tag: "Tagged", ...tagged })
  }

  /** Forgets a tag, or all tags of a repository. */
  forget(repository: Name, tag?: Tag.Tag): void {
    this.#change(tag === undefined ? { _tag: "Forgotten", repository } : { _tag: "Forgotten", repository, tag })
  }

  /** Returns the entries of a journal that describe the tags. */
  snapshot(): Iterable<Entry> {
    return Array.from(this.#tags.entries(), ([, tagged]) => tagged)
  }

  #change(entry: Entry): void {
    this.#apply(entry)
    this.recorder.record(entry)
  }

  #apply(entry: Entry): void {
    if (entry._tag === "Tagged") this.#tags.set(keyOf(entry.repository, entry.tag), entry)
    if (entry._tag !== "Forgotten") return
    if (entry.tag === undefined) this.#tags.deleteGroup(entry.repository)
    else this.#tags.delete(keyOf(entry.repository, entry.tag))
  }
}
