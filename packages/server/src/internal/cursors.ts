import * as Caller from "@effect-oci/core/Caller"
import type { RegistryError } from "@effect-oci/core/RegistryError"
import type * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

/**
 * A list that is being read page by page. `rest` contains the items that were read and not yet sent.
 */
export class Reading<A> {
  private rest: ReadonlyArray<A> = []

  private constructor(
    private readonly pull: Effect.Effect<Chunk.Chunk<A>, Option.Option<RegistryError>>,
    private readonly scope: Scope.CloseableScope
  ) {}

  /** Starts to read a list. `close` stops it. */
  static open<A>(list: Stream.Stream<A, RegistryError>): Effect.Effect<Reading<A>> {
    return Effect.flatMap(
      Scope.make(),
      (scope) => Effect.map(Scope.extend(Stream.toPull(list), scope), (pull) => new Reading(pull, scope))
    )
  }

  /** The items that were not yet sent. Running the stream does not remove them: `sent` removes them. */
  get items(): Stream.Stream<A, RegistryError> {
    return Stream.concat(
      Stream.suspend(() => Stream.fromIterable(this.rest)),
      Stream.repeatEffectChunkOption(Effect.tap(this.pull, (chunk) => {
        this.rest = [...this.rest, ...chunk]
      }))
    )
  }

  sent(count: number): void {
    this.rest = this.rest.slice(count)
  }

  /** The memory that the unsent items use, in bytes of JSON. */
  get bytes(): number {
    return JSON.stringify(this.rest).length
  }

  readonly close: Effect.Effect<void> = Effect.suspend(() => Scope.close(this.scope, Exit.void))
}

/**
 * Keeps each list of referrers after a page is sent, until the caller requests the next page. The spec has no parameter
 * with which a client could ask a registry to continue such a list. Without a cursor, a server in front of an upstream
 * registry would read the list from its start for every page.
 *
 * A cursor is lost when the server has too many, and after a while. Then the server reads the list from its start.
 */
export interface Cursors<A> {
  /** Removes and returns the list whose last item sent to this caller was `last`. */
  readonly take: (list: string, last: string) => Effect.Effect<Reading<A> | undefined>
  readonly put: (list: string, last: string, reading: Reading<A>) => Effect.Effect<void>
}

/** The limits of kept lists: their number, the bytes of their items, and their lifetime. */
const maxCursors = 64
const maxBytes = 16 * 1024 * 1024
const timeToLive = "30 seconds"

interface Cursor<A> {
  readonly key: string
  readonly reading: Reading<A>
  readonly bytes: number
  readonly expiry: Fiber.Fiber<void>
}

export const make = <A>(): Cursors<A> => {
  // The oldest cursor is the first.
  const cursors = new Set<Cursor<A>>()
  let bytes = 0

  const remove = (cursor: Cursor<A>): boolean => {
    if (!cursors.delete(cursor)) return false
    bytes -= cursor.bytes
    return true
  }
  const drop = (cursor: Cursor<A>) =>
    Effect.suspend(() =>
      remove(cursor) ? Effect.zipRight(Fiber.interruptFork(cursor.expiry), cursor.reading.close) : Effect.void
    )

  /** Returns `undefined` if the claims of the caller cannot be written as JSON: such a caller has no cursors. */
  const keyOf = (list: string, last: string): Effect.Effect<string | undefined> =>
    Effect.map(
      Caller.Caller,
      (caller) =>
        Either.getOrUndefined(Either.try(() => JSON.stringify([Caller.key(caller), caller.claims, list, last])))
    )

  return {
    take: (list, last) =>
      Effect.flatMap(keyOf(list, last), (key) => {
        for (const cursor of cursors) {
          if (cursor.key !== key || !remove(cursor)) continue
          return Effect.as(Fiber.interruptFork(cursor.expiry), cursor.reading)
        }
        return Effect.succeed(undefined)
      }),
    put: (list, last, reading) =>
      Effect.flatMap(keyOf(list, last), (key) => {
        const size = reading.bytes
        if (key === undefined || size > maxBytes) return reading.close
        return Effect.gen(function*() {
          const expired = Effect.suspend(() => remove(cursor) ? reading.close : Effect.void)
          const expiry = yield* Effect.forkDaemon(Effect.interruptible(Effect.delay(expired, timeToLive)))
          const cursor: Cursor<A> = { key, reading, bytes: size, expiry }
          cursors.add(cursor)
          bytes += size
          for (const oldest of cursors) {
            if (cursors.size <= maxCursors && bytes <= maxBytes) return
            yield* drop(oldest)
          }
        })
      })
  }
}
