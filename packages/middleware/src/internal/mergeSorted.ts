import { printable, RegistryError } from "@effect-oci/core"
import type { Operation } from "@effect-oci/core"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"

type Items<A> = Stream.Stream<A, RegistryError.RegistryError>

/** The list of a member, and the name of the member. */
export interface Listed<A> {
  readonly name: string
  readonly items: Items<A>
}

/** Options for {@link mergeSorted}. */
export interface Options<A> {
  /** Returns the key by which items are sorted and compared. */
  readonly key: (item: A) => string
  /** How many items of each list are buffered, so that items that are out of order can be sorted. */
  readonly sortBuffer: number
}

/** The default number of items of a list that are buffered: a page of most registries. */
export const defaultSortBuffer = 1000

/**
 * Merges the lists of members in ASCII order. Each item appears once, and the first member's item is used. The lists
 * are read only as far as the result is read. Memory: a chunk and `sortBuffer` items of each list. A list that is further out
 * of order cannot be merged: the result fails with `ResponseInvalid`, which names the member.
 */
export const mergeSorted = <A>(
  members: ReadonlyArray<Listed<A>>,
  errorFields: ReturnType<typeof Operation.errorFields>,
  { sortBuffer, key }: Options<A>
): Items<A> =>
  Stream.fromPull(Effect.map(
    Effect.forEach(members, ({ items, name }) =>
      Effect.map(Stream.toPull(items), (pull) =>
        new Cursor(name, pull, key, sortBuffer, errorFields))),
    (cursors) => {
      let last: string | undefined
      const take: Pull<A> = Effect.suspend(() => {
        const empty = cursors.filter((cursor) =>
          cursor.isEmpty
        )
        return empty.length === 0 ? emit : Effect.zipRight(fill(empty), emit)
      })
      const emit: Pull<A> = Effect.suspend(() => {
        const live = cursors.filter((cursor) => !cursor.isEmpty)
        if (live.length === 0) return Effect.fail(Option.none())
        const out: Array<A> = []
        last = merge(live, out, last)
        return out.length === 0 ? take : Effect.succeed(Chunk.unsafeFromArray(out))
      })
      return take
    }
  ))

type Pull<A> = Effect.Effect<Chunk.Chunk<A>, Option.Option<RegistryError.RegistryError>>

const fill = (cursors: ReadonlyArray<{ readonly fill: Cursor<never>["fill"] }>) =>
  Effect.forEach(cursors, (cursor) => cursor.fill, { concurrency: "unbounded", discard: true })

/**
 * Moves the smallest items of the cursors to `out` until a cursor is empty. Returns the key of the last item that was
 * moved.
 */
const merge = <A>(cursors: ReadonlyArray<Cursor<A>>, out: Array<A>, after: string | undefined): string | undefined => {
  let last = after
  while (true) {
    let least = cursors[0]!
    for (let i = 1; i < cursors.length; i++) if (cursors[i]!.key < least.key) least = cursors[i]!
    if (least.key !== last) {
      last = least.key
      out.push(least.item)
    }
    if (!least.advance()) return last
  }
}

/** The state of reading a list: items that are ready to be merged, and buffered items. */
class Cursor<A> {
  /** The items from index `at`. Those from index `end` are buffered. */
  private items: Array<A> = []
  private at = 0
  private end = 0
  private ended = false
  /** The key of the last item that left the buffer. An item that arrives later with a smaller key is too late. */
  private released: string | undefined
  /** The key of the next item, if there is one. */
  key = ""

  constructor(
    private readonly name: string,
    private readonly pull: Pull<A>,
    private readonly keyOf: (item: A) => string,
    private readonly sortBuffer: number,
    private readonly errorFields: ReturnType<typeof Operation.errorFields>
  ) {}

  get isEmpty(): boolean {
    return this.at === this.end
  }

  get item(): A {
    return this.items[this.at]!
  }

  /** Moves to the next item. Returns whether there is one. */
  advance(): boolean {
    this.at++
    this.updateKey()
    return !this.isEmpty
  }

  /** Reads until there is an item, or until the list ends. */
  readonly fill: Effect.Effect<void, Option.Option<RegistryError.RegistryError>> = Effect.suspend(() => {
    if (!this.isEmpty || this.ended) return Effect.void
    return Effect.matchEffect(this.pull, {
      onFailure: (end) => {
        if (Option.isSome(end)) return Effect.fail(end)
        this.ended = true
        this.release(0)
        this.updateKey()
        return Effect.void
      },
      onSuccess: (chunk) => {
        if (this.at > this.items.length / 2) this.dropRead()
        for (const item of chunk) {
          const late = this.add(item)
          if (late !== undefined) return Effect.fail(Option.some(late))
          this.release(this.sortBuffer)
        }
        this.updateKey()
        return this.fill
      }
    })
  })

  private dropRead(): void {
    this.items = this.items.slice(this.at)
    this.at = 0
    this.end = 0
  }

  /** Inserts an item at its sorted position. In a sorted list that is the end. */
  private add(item: A): RegistryError.ResponseInvalid | undefined {
    const { items, keyOf } = this
    const key = keyOf(item)
    if (this.released !== undefined && key < this.released) return this.tooLate(key, this.released)
    let from = this.end
    let to = items.length
    if (from === to || key >= keyOf(items[to - 1]!)) {
      items.push(item)
      return undefined
    }
    while (from < to) {
      const middle = (from + to) >>> 1
      if (keyOf(items[middle]!) <= key) from = middle + 1
      else to = middle
    }
    items.splice(from, 0, item)
    return undefined
  }

  /** Releases all buffered items except the last `buffered` ones. */
  private release(buffered: number): void {
    const end = this.items.length - buffered
    if (end <= this.end) return
    this.end = end
    this.released = this.keyOf(this.items[end - 1]!)
  }

  private updateKey(): void {
    if (!this.isEmpty) this.key = this.keyOf(this.item)
  }

  private tooLate(key: string, after: string): RegistryError.ResponseInvalid {
    const order = `"${printable(key, 60)}" comes after "${printable(after, 60)}"`
    const reach = this.sortBuffer === 0 ? "" : ` by more than ${this.sortBuffer} items`
    return new RegistryError.ResponseInvalid({
      ...this.errorFields,
      reason: `the list of ${this.name} is out of order${reach}: ${order}`
    })
  }
}
