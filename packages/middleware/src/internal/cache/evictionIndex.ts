import { Operation } from "@effect-oci/core"
import type { Descriptor, RepositoryName } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import type { Keeper } from "./cacheStore.js"

type Kind = "Blob" | "Manifest"
type Name = RepositoryName.RepositoryName

interface Entry {
  readonly kind: Kind
  readonly repository: Name
  readonly descriptor: Descriptor.Descriptor
  /** How many operations read or write the content now. Such content is not evicted. */
  pins: number
}

/** The maximum number of entries, even if they are small. */
const maxEntries = 100_000

/**
 * The index for eviction: the content of the store in the order of its last use. If the store contains more than
 * `maxBytes`, the least recently used content is deleted. Content that is being read or written is kept. Content that
 * was in the store before this process is counted from its first use. Content of several repositories is counted in
 * each of them.
 */
export class Books {
  readonly #entries = new Map<string, Entry>()
  #held = 0

  private constructor(
    private readonly keeper: Keeper,
    private readonly maxBytes: number,
    private readonly wake: Queue.Queue<void>
  ) {}

  static readonly make = (keeper: Keeper, maxBytes: number): Effect.Effect<Books, never, Scope.Scope> =>
    Effect.gen(function*() {
      const wake = yield* Queue.sliding<void>(1)
      const books = new Books(keeper, maxBytes, wake)
      yield* Effect.forkScoped(Effect.forever(Effect.zipRight(Queue.take(wake), books.#evict)))
      return books
    })

  /** Marks content as used. */
  used(kind: Kind, repository: Name, descriptor: Descriptor.Descriptor): void {
    this.#enter(kind, repository, descriptor)
    if (this.#isOver()) this.wake.unsafeOffer(undefined)
  }

  /** Marks a blob as used until the scope closes. */
  reading(repository: Name, descriptor: Descriptor.Descriptor): Effect.Effect<void, never, Scope.Scope> {
    return Effect.acquireRelease(
      Effect.sync(() => {
        const entry = this.#enter("Blob", repository, descriptor)
        entry.pins++
        return entry
      }),
      (entry) => this.#unpin(entry)
    )
  }

  /**
   * Evicts content to make room, and runs `put`, which returns whether it stored the content. Does not run `put` if the
   * content is larger than the whole store.
   */
  putting(
    kind: Kind,
    repository: Name,
    descriptor: Descriptor.Descriptor,
    put: Effect.Effect<boolean>
  ): Effect.Effect<boolean> {
    if (descriptor.size > this.maxBytes) return Effect.succeed(false)
    return Effect.acquireUseRelease(
      Effect.sync(() => {
        const entry = this.#enter(kind, repository, descriptor)
        entry.pins++
        return { entry, isPut: false }
      }),
      (putting) =>
        Effect.map(Effect.zipRight(this.#evict, put), (isPut) => {
          putting.isPut = isPut
          return isPut
        }),
      ({ entry, isPut }) => {
        if (!isPut) this.gone(kind, repository, descriptor.digest)
        return this.#unpin(entry)
      }
    )
  }

  /** Returns whether the content is not larger than the whole store. */
  fits({ size }: Descriptor.Descriptor): boolean {
    return size <= this.maxBytes
  }

  /** Removes content that is no longer in the store. */
  gone(kind: Kind, repository: Name, digest: Descriptor.Descriptor["digest"]): void {
    const key = keyOf(kind, repository, digest)
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    this.#entries.delete(key)
    this.#held -= entry.descriptor.size
  }

  #isOver(): boolean {
    return this.#held > this.maxBytes || this.#entries.size > maxEntries
  }

  #enter(kind: Kind, repository: Name, descriptor: Descriptor.Descriptor): Entry {
    const key = keyOf(kind, repository, descriptor.digest)
    const known = this.#entries.get(key)
    const entry = known ?? { kind, repository, descriptor, pins: 0 }
    if (known === undefined) this.#held += descriptor.size
    else this.#entries.delete(key)
    this.#entries.set(key, entry)
    return entry
  }

  #unpin(entry: Entry): Effect.Effect<void> {
    return Effect.sync(() => {
      entry.pins--
      if (this.#isOver()) this.wake.unsafeOffer(undefined)
    })
  }

  readonly #evict: Effect.Effect<void> = Effect.suspend(() => {
    const victim = this.#isOver() ? this.#oldest() : undefined
    if (victim === undefined) return Effect.void
    const { descriptor: { digest }, kind, repository } = victim
    this.gone(kind, repository, digest)
    const operation = kind === "Blob"
      ? new Operation.DeleteBlob({ repository, digest })
      : new Operation.DeleteManifest({ repository, digest })
    return Effect.zipRight(
      Effect.catchAll(this.keeper.delete(operation), (error) => this.keeper.report(operation, error)),
      this.#evict
    )
  })

  #oldest(): Entry | undefined {
    for (const entry of this.#entries.values()) if (entry.pins === 0) return entry
    return undefined
  }
}

const keyOf = (kind: Kind, repository: Name, digest: Descriptor.Descriptor["digest"]): string =>
  `${kind} ${repository}@${digest}`
