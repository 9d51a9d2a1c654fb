import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Settings } from "./settings.js"

/** The memory of one upload. */
export interface Buffers {
  /** Waits until the upload may hold the bytes of one more part. */
  readonly acquire: Effect.Effect<void>
  /** Releases the bytes of a part. */
  readonly release: Effect.Effect<void>
}

/**
 * Limits the memory of all uploads of a store. An upload that waits for memory pauses its source. It cannot wait for
 * ever: an upload that has the memory of a part needs no more to send that part.
 */
export const make = ({ concurrency, memory, partSize }: Settings) => {
  const all = Effect.unsafeMakeSemaphore(Math.max(memory, partSize))

  /** Opens the buffers of an upload whose body has at most `size` bytes. The end of the scope releases all of them. */
  return (size: number | undefined): Effect.Effect<Buffers, never, Scope.Scope> => {
    const bytes = Math.min(size ?? partSize, partSize)
    // While parts are sent, the next one is received.
    const own = Effect.unsafeMakeSemaphore(concurrency + 1)
    let held = 0
    const acquire = Effect.uninterruptibleMask((restore) =>
      restore(Effect.zipRight(own.take(1), all.take(bytes))).pipe(
        Effect.map(() => {
          held++
        })
      )
    )
    const release = Effect.suspend(() => {
      held--
      return Effect.zipRight(all.release(bytes), own.release(1))
    })
    return Effect.as(
      Effect.addFinalizer(() => Effect.suspend(() => all.release(held * bytes))),
      { acquire, release }
    )
  }
}

export type MakeBuffers = ReturnType<typeof make>
