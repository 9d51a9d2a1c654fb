import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Runtime from "effect/Runtime"

/** An idle timer. */
export interface Wait {
  /** Reports progress: the timer starts again, also after {@link Wait.pause}. */
  readonly touch: () => void
  /** Pauses the timer: the delay is not on the registry's side. */
  readonly pause: () => void
  /** Reports progress, and raises the limit to a number of milliseconds if that is longer. */
  readonly extend: (millis: number) => void
  /** Ends the timer. */
  readonly stop: () => void
}

/** Starts idle timers. */
export interface Watch {
  /** The time without progress after which a timer expires. */
  readonly idle: Duration.Duration
  /** Starts a timer. `expire` is called at most once. */
  readonly start: (expire: () => void) => Wait
}

interface Entry {
  since: number
  /** The time without progress after which this timer expires, in milliseconds. */
  patience: number
  readonly expire: () => void
}

/**
 * Creates a watch. One fiber checks all timers, and there is no fiber while there are no timers. A separate timeout for
 * each request would cost about half as much as a small request.
 */
export const make = (idle: Duration.Duration): Effect.Effect<Watch> =>
  Effect.map(Effect.zip(Effect.runtime(), Effect.clock), ([runtime, clock]) => {
    const millis = Duration.toMillis(idle)
    const entries = new Set<Entry>()
    let watcher: Fiber.RuntimeFiber<void> | undefined
    let leaving = false

    /**
     * Expires the timers that are due, and sleeps until the next one is due. A timer that starts during the sleep is
     * due after it.
     */
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

    /** Stops the fiber, but not immediately: one request often follows another. */
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
