import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Runtime from "effect/Runtime"

/** Something that is waited for. */
export interface Wait {
  /** It has moved: its time starts again, also after {@link Wait.pause}. */
  readonly touch: () => void
  /** Others are to move now: its time stands still. */
  readonly pause: () => void
  /** It has moved, and from now on it may stand still for so many milliseconds, if that is longer. */
  readonly extend: (millis: number) => void
  /** It has arrived, or is not wanted any more. */
  readonly stop: () => void
}

/** Reports what has stood still for too long. */
export interface Watch {
  /** For how long something may stand still. */
  readonly idle: Duration.Duration
  /** Begins to wait for something; `expire` is called at most once. */
  readonly start: (expire: () => void) => Wait
}

interface Entry {
  since: number
  /** For how long it may stand still, in milliseconds. */
  patience: number
  readonly expire: () => void
}

/**
 * A watch with one fiber for all that is waited for, and none where nothing is: a time-out of its own for each request
 * would cost as much as half of a small one.
 */
export const make = (idle: Duration.Duration): Effect.Effect<Watch> =>
  Effect.map(Effect.zip(Effect.runtime(), Effect.clock), ([runtime, clock]) => {
    const millis = Duration.toMillis(idle)
    const entries = new Set<Entry>()
    let watcher: Fiber.RuntimeFiber<void> | undefined
    let leaving = false

    /** Ends what is due. What begins after this ends after the next time, which is when the first of the rest is due. */
    const look: Effect.Effect<void> = Effect.suspend(() => {
      const now = clock.unsafeCurrentTimeMillis()
      let next = millis
      for (const entry of entries) {
        const left = entry.since + entry.patience - now
        if (left > 0) next = Math.min(next, left)
        else {
          entries.delete(entry)
          entry.expire()
        }
      }
      return Effect.zipRight(Effect.sleep(next), look)
    })

    /** One request often follows another: only where none does is there nothing to look at. */
    const leave = () => {
      if (leaving || entries.size > 0) return
      leaving = true
      setTimeout(() => {
        leaving = false
        if (entries.size > 0) return
        watcher?.unsafeInterruptAsFork(FiberId.none)
        watcher = undefined
      })
    }

    const start: Watch["start"] = (expire) => {
      const entry: Entry = { since: clock.unsafeCurrentTimeMillis(), patience: millis, expire }
      entries.add(entry)
      watcher ??= Runtime.runFork(runtime)(look)
      return {
        touch: () => {
          entry.since = clock.unsafeCurrentTimeMillis()
        },
        pause: () => {
          entry.since = Number.POSITIVE_INFINITY
        },
        extend: (patience) => {
          entry.since = clock.unsafeCurrentTimeMillis()
          entry.patience = Math.max(patience, millis)
        },
        stop: () => {
          entries.delete(entry)
          leave()
        }
      }
    }
    return { idle, start: Number.isFinite(millis) ? start : () => forever }
  })

const forever: Wait = { touch: () => {}, pause: () => {}, extend: () => {}, stop: () => {} }
