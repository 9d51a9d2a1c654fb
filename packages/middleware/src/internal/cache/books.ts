import { Operation } from "@effect-oci/core"
import type { Descriptor, RepositoryName } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import type { Keeper } from "./keeper.js"

type Kind = "Blob" | "Manifest"
type Name = RepositoryName.RepositoryName

interface Entry {
  readonly kind: Kind
  readonly repository: Name
  readonly descriptor: Descriptor.Descriptor
  /** How many read it or write it now. */
  pins: number
}

/** So many things are kept at most, however small they are. */
const maxEntries = 100_000

/**
 * What a cache has in its store, in the order in which it was used. What was used longest ago is deleted where there is
 * more than `maxBytes`; what is being read or written stays. A thing that the store had before is counted from when it is
 * first asked for, and one that several repositories have, in each of them.
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

  /** It was found in the store. */
  used(kind: Kind, repository: Name, descriptor: Descriptor.Descriptor): void {
    this.#enter(kind, repository, descriptor)
    if (this.#isOver()) this.wake.unsafeOffer(undefined)
  }

  /** It is being read until the scope closes. */
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
   * Makes room for what `put` puts, which answers whether it did. What can never fit is not put.
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

  /** Whether it can ever fit. */
  fits({ size }: Descriptor.Descriptor): boolean {
    return size <= this.maxBytes
  }

  /** It is not in the store. */
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
