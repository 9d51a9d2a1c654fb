import { Answer, Operation } from "@effect-oci/core"
import type { Descriptor, RegistryError, RepositoryName } from "@effect-oci/core"
import { LruMap } from "@effect-oci/core/LruMap"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import type { Entry as JournalEntry, Recorder } from "../../CacheJournal.js"
import type { CacheStore } from "./cacheStore.js"

type Location = Pick<Operation.DeleteBlob, "repository" | "digest">

/** Content in the store. A blob in several repositories counts in each. */
export interface Stored {
  readonly kind: "Blob" | "Manifest"
  readonly repository: RepositoryName.RepositoryName
  readonly descriptor: Pick<Descriptor.Descriptor, "digest" | "size">
}

/**
 * The content of the store in the order of its last use. If the store contains more than `maxBytes`, the least recently
 * used content is deleted. Content that is being read or written is kept. Content that was in the store before this
 * process is counted from its first use, if the journal does not contain it.
 */
export interface EvictionIndex {
  /** Marks content as used. */
  readonly use: (stored: Stored) => void
  /** Marks content as used until the scope closes. */
  readonly useScoped: (stored: Stored) => Effect.Effect<void, never, Scope.Scope>
  /**
   * Evicts content to make room, and runs `put`, which returns whether it stored the content. Does not run `put` if the
   * content is larger than the whole store.
   */
  readonly add: (stored: Stored, put: Effect.Effect<boolean>) => Effect.Effect<boolean>
  /** Returns whether the content is not larger than the whole store. */
  readonly fits: (stored: Pick<Stored, "descriptor">) => boolean
  /** Deletes content from the store. */
  readonly delete: (kind: Stored["kind"], location: Location) => Effect.Effect<void, RegistryError.RegistryError>
  /** Returns the entries of a journal that describe the content. */
  readonly snapshot: () => Iterable<JournalEntry>
}

/** Creates the index of a store without a limit. */
const unlimited = (store: CacheStore): EvictionIndex => ({
  use: () => {},
  useScoped: () => Answer.done,
  add: (_, put) => put,
  fits: () => true,
  delete: (kind, location) => store.delete(deletion(kind, location)),
  snapshot: () => []
})

export const make = (
  store: CacheStore,
  maxBytes: number | undefined,
  recorder: Recorder,
  entries: Iterable<JournalEntry>
): Effect.Effect<EvictionIndex, never, Scope.Scope> =>
  maxBytes === undefined
    ? Effect.succeed(unlimited(store))
    : Effect.gen(function*() {
      const wake = yield* Queue.sliding<void>(1)
      const index = new LimitedIndex(store, maxBytes, wake, recorder, entries)
      yield* Effect.forkScoped(Effect.forever(Effect.zipRight(Queue.take(wake), index.evict)))
      return index
    })

/** The maximum number of entries, even if they are small. */
const maxEntries = 100_000

type StoredRecord = Extract<JournalEntry, { readonly _tag: "Stored" }>

interface Entry extends Stored {
  /** How many operations read or write the content now. Such content is not evicted. */
  pins: number
  /** The number of records in the journal when the entry was recorded. */
  recordedAt: number
}

class LimitedIndex implements EvictionIndex {
  readonly #entries = new LruMap<string, Entry>(Infinity, ({ descriptor }) => descriptor.size)
  /** Content that is being deleted: the store may still have it. */
  readonly #deleting = new Set<Stored>()
  #records = 0

  constructor(
    private readonly store: CacheStore,
    private readonly maxBytes: number,
    private readonly wake: Queue.Queue<void>,
    private readonly recorder: Recorder,
    entries: Iterable<JournalEntry>
  ) {
    for (const entry of entries) {
      if (entry._tag === "Stored") this.#replay(entry)
      if (entry._tag === "Removed") this.#entries.delete(keyOf(entry.kind, entry))
    }
    this.#evictLater()
  }

  use(stored: Stored): void {
    this.#entry(stored)
    this.#evictLater()
  }

  useScoped(stored: Stored): Effect.Effect<void, never, Scope.Scope> {
    return Effect.acquireRelease(this.#pin(stored), (entry) => this.#unpin(entry))
  }

  add(stored: Stored, put: Effect.Effect<boolean>): Effect.Effect<boolean> {
    if (!this.fits(stored)) return Effect.succeed(false)
    return Effect.acquireUseRelease(
      this.#pin(stored),
      // The journal lists content before the store has it.
      () => this.evict.pipe(Effect.zipRight(this.recorder.written), Effect.zipRight(put)),
      (entry, exit) => {
        // The store may have content whose put was interrupted.
        if (exit._tag === "Success" && !exit.value) {
          this.#entries.delete(keyOf(stored.kind, locationOf(stored)))
          this.#recordRemoved(stored.kind, locationOf(stored))
        }
        return this.#unpin(entry)
      }
    )
  }

  fits({ descriptor }: Pick<Stored, "descriptor">): boolean {
    return descriptor.size <= this.maxBytes
  }

  delete(kind: Stored["kind"], location: Location): Effect.Effect<void, RegistryError.RegistryError> {
    return Effect.suspend(() => {
      const key = keyOf(kind, location)
      const entry = this.#entries.get(key)
      this.#entries.delete(key)
      if (entry === undefined) return this.store.delete(deletion(kind, location))
      this.#deleting.add(entry)
      return this.store.delete(deletion(kind, location)).pipe(
        Effect.tap(() => this.#recordRemoved(kind, location)),
        Effect.ensuring(Effect.sync(() => this.#deleting.delete(entry)))
      )
    })
  }

  snapshot(): Iterable<JournalEntry> {
    return [...Array.from(this.#entries.entries(), ([, entry]) => entry), ...this.#deleting].map(recordOf)
  }

  /** Deletes content from the store until the store is not larger than its limit. */
  readonly evict: Effect.Effect<void> = Effect.suspend(() => {
    const victim = this.#isOver() ? this.#leastRecentlyUsed() : undefined
    if (victim === undefined) return Effect.void
    const location = locationOf(victim)
    return Effect.zipRight(
      Effect.catchAll(
        this.delete(victim.kind, location),
        (error) => this.store.reportFailure(deletion(victim.kind, location), error)
      ),
      this.evict
    )
  })

  #isOver(): boolean {
    return this.#entries.weight > this.maxBytes || this.#entries.size > maxEntries
  }

  #leastRecentlyUsed(): Entry | undefined {
    for (const [, entry] of this.#entries.entries()) if (entry.pins === 0) return entry
    return undefined
  }

  #evictLater(): void {
    if (this.#isOver()) this.wake.unsafeOffer(undefined)
  }

  /** Returns the entry of content, and marks it as used. */
  #entry(stored: Stored): Entry {
    const { descriptor, kind, repository } = stored
    const key = keyOf(kind, locationOf(stored))
    const known = this.#entries.get(key)
    const entry = known ?? { kind, repository, descriptor, pins: 0, recordedAt: -Infinity }
    if (known === undefined) this.#entries.set(key, entry)
    // The order in the journal is not exact, so that most hits are not recorded.
    if (this.#records - entry.recordedAt > this.#entries.size / 2) {
      entry.recordedAt = ++this.#records
      this.recorder.record(recordOf(entry))
    }
    return entry
  }

  #replay({ digest, kind, repository, size }: StoredRecord): void {
    const entry = { kind, repository, descriptor: { digest, size }, pins: 0, recordedAt: ++this.#records }
    this.#entries.set(keyOf(kind, { repository, digest }), entry)
  }

  /** Records that content is no longer in the store, unless it was added again. */
  #recordRemoved(kind: Stored["kind"], { digest, repository }: Location): void {
    if (this.#entries.get(keyOf(kind, { digest, repository })) !== undefined) return
    this.recorder.record({ _tag: "Removed", kind, repository, digest })
  }

  #pin(stored: Stored): Effect.Effect<Entry> {
    return Effect.sync(() => {
      const entry = this.#entry(stored)
      entry.pins++
      return entry
    })
  }

  #unpin(entry: Entry): Effect.Effect<void> {
    return Effect.sync(() => {
      entry.pins--
      this.#evictLater()
    })
  }
}

const keyOf = (kind: Stored["kind"], { digest, repository }: Location): string => `${kind} ${repository}@${digest}`

const locationOf = ({ descriptor: { digest }, repository }: Stored): Location => ({ repository, digest })

const recordOf = ({ descriptor: { digest, size }, kind, repository }: Stored): StoredRecord => ({
  _tag: "Stored",
  kind,
  repository,
  digest,
  size
})

const deletion = (kind: Stored["kind"], location: Location) =>
  kind === "Blob" ? new Operation.DeleteBlob(location) : new Operation.DeleteManifest(location)
