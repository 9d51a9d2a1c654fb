import { Answer, Operation } from "@effect-oci/core"
import type { Descriptor, RepositoryName } from "@effect-oci/core"
import { LruMap } from "@effect-oci/core/LruMap"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import type { CacheStore } from "./cacheStore.js"

/** Content in the store. A blob in several repositories counts in each. */
export interface Stored {
  readonly kind: "Blob" | "Manifest"
  readonly repository: RepositoryName.RepositoryName
  readonly descriptor: Pick<Descriptor.Descriptor, "digest" | "size">
}

/**
 * The content of the store in the order of its last use. If the store contains more than `maxBytes`, the least recently
 * used content is deleted. Content that is being read or written is kept. Content that was in the store before this
 * process is counted from its first use.
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
  /** Removes content that is no longer in the store. */
  readonly remove: (kind: Stored["kind"], content: Pick<Operation.DeleteBlob, "repository" | "digest">) => void
}

/** The index of a store without a limit. */
const unlimited: EvictionIndex = {
  use: () => {},
  useScoped: () => Answer.done,
  add: (_, put) => put,
  fits: () => true,
  remove: () => {}
}

export const make = (
  store: CacheStore,
  maxBytes: number | undefined
): Effect.Effect<EvictionIndex, never, Scope.Scope> =>
  maxBytes === undefined
    ? Effect.succeed(unlimited)
    : Effect.gen(function*() {
      const wake = yield* Queue.sliding<void>(1)
      const index = new LimitedIndex(store, maxBytes, wake)
      yield* Effect.forkScoped(Effect.forever(Effect.zipRight(Queue.take(wake), index.evict)))
      return index
    })

/** The maximum number of entries, even if they are small. */
const maxEntries = 100_000

interface Entry extends Stored {
  /** How many operations read or write the content now. Such content is not evicted. */
  pins: number
}

class LimitedIndex implements EvictionIndex {
  readonly #entries = new LruMap<string, Entry>(Infinity, ({ descriptor }) => descriptor.size)

  constructor(
    private readonly store: CacheStore,
    private readonly maxBytes: number,
    private readonly wake: Queue.Queue<void>
  ) {}

  use(stored: Stored): void {
    this.#entry(stored)
    this.#evictLater()
  }

  useScoped(stored: Stored): Effect.Effect<void, never, Scope.Scope> {
    return Effect.acquireRelease(this.#pin(stored), (entry) => this.#unpin(entry))
  }

  add(stored: Stored, put: Effect.Effect<boolean>): Effect.Effect<boolean> {
    const { descriptor: { digest }, kind, repository } = stored
    if (!this.fits(stored)) return Effect.succeed(false)
    return Effect.acquireUseRelease(
      this.#pin(stored),
      () => Effect.zipRight(this.evict, put),
      (entry, exit) => {
        if (exit._tag === "Failure" || !exit.value) this.remove(kind, { repository, digest })
        return this.#unpin(entry)
      }
    )
  }

  fits({ descriptor }: Pick<Stored, "descriptor">): boolean {
    return descriptor.size <= this.maxBytes
  }

  remove(kind: Stored["kind"], { digest, repository }: Pick<Operation.DeleteBlob, "repository" | "digest">): void {
    this.#entries.delete(keyOf(kind, repository, digest))
  }

  /** Deletes content from the store until the store is not larger than its limit. */
  readonly evict: Effect.Effect<void> = Effect.suspend(() => {
    const victim = this.#isOver() ? this.#leastRecentlyUsed() : undefined
    if (victim === undefined) return Effect.void
    const [key, { descriptor: { digest }, kind, repository }] = victim
    this.#entries.delete(key)
    const operation = kind === "Blob"
      ? new Operation.DeleteBlob({ repository, digest })
      : new Operation.DeleteManifest({ repository, digest })
    return Effect.zipRight(
      Effect.catchAll(this.store.delete(operation), (error) => this.store.reportFailure(operation, error)),
      this.evict
    )
  })

  #isOver(): boolean {
    return this.#entries.weight > this.maxBytes || this.#entries.size > maxEntries
  }

  #leastRecentlyUsed(): readonly [string, Entry] | undefined {
    for (const entry of this.#entries.entries()) if (entry[1].pins === 0) return entry
    return undefined
  }

  #evictLater(): void {
    if (this.#isOver()) this.wake.unsafeOffer(undefined)
  }

  /** Returns the entry of content, and marks it as used. */
  #entry({ descriptor, kind, repository }: Stored): Entry {
    const key = keyOf(kind, repository, descriptor.digest)
    const known = this.#entries.get(key)
    if (known !== undefined) return known
    const entry = { kind, repository, descriptor, pins: 0 }
    this.#entries.set(key, entry)
    return entry
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

const keyOf = (
  kind: Stored["kind"],
  repository: RepositoryName.RepositoryName,
  digest: Descriptor.Descriptor["digest"]
): string => `${kind} ${repository}@${digest}`
