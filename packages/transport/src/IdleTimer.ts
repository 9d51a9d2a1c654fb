/**
 * Timers that expire after a time without progress.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Runtime from "effect/Runtime"

/**
 * A timer that expires after a time without progress.
 *
 * @since 0.1.0
 * @category models
 */
export interface IdleTimer {
  /** Reports progress: the timer starts again, also after `pause`. */
  readonly reset: () => void
  /** Pauses the timer: the delay is not on the registry's side. */
  readonly pause: () => void
  /** Reports progress, and raises the limit to a number of milliseconds if that is longer. */
  readonly extend: (millis: number) => void
  /** Ends the timer. */
  readonly stop: () => void
}

/**
 * Starts idle timers.
 *
 * @since 0.1.0
 * @category models
 */
export interface IdleTimers {
  /** The time without progress after which a timer expires. */
  readonly idle: Duration.Duration
  /** Starts a timer. `expire` is called at most once. */
  readonly start: (expire: () => void) => IdleTimer
}

interface Entry {
  since: number
  /** The time without progress after which this timer expires, in milliseconds. */
  limit: number
  readonly expire: () => void
}

/**
 * Creates the source of idle timers with one limit. One fiber checks all timers, and there is no fiber while there are
 * no timers. A separate timeout for each request would cost about half as much as a small request. The time during which
 * the process itself was stopped or blocked does not count.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (idle: Duration.Duration): Effect.Effect<IdleTimers> =>
  Effect.map(Effect.zip(Effect.runtime(), Effect.clock), ([runtime, clock]) => {
    const millis = Duration.toMillis(idle)
    const entries = new Set<Entry>()
    let checker: Fiber.RuntimeFiber<void> | undefined
    let stopping = false

    /**
     * Expires the timers that are due, and sleeps until the next one is due. If the check is late, the process did not
     * run: an answer may have arrived meanwhile, so the timers do not count this time.
     */
    const check = (due: number): Effect.Effect<void> =>
      Effect.suspend(() => {
        const now = clock.unsafeCurrentTimeMillis()
        const late = Math.max(now - due, 0)
        let next = millis / 4
        for (const entry of entries) {
          if (entry.since < now) entry.since = Math.min(entry.since + late, now)
          const left = entry.since + entry.limit - now
          if (left > 0) next = Math.min(next, left)
          else {
            entries.delete(entry)
            entry.expire()
          }
        }
        return Effect.zipRight(Effect.sleep(next), check(now + next))
      })

    /** Stops the fiber, but not immediately: one request often follows another. */
    const stopSoon = () => {
      if (stopping || entries.size > 0) return
      stopping = true
      setTimeout(() => {
        stopping = false
        if (entries.size > 0) return
        checker?.unsafeInterruptAsFork(FiberId.none)
        checker = undefined
      })
    }

    const start: IdleTimers["start"] = (expire) => {
      const entry: Entry = { since: clock.unsafeCurrentTimeMillis(), limit: millis, expire }
      entries.add(entry)
      checker ??= Runtime.runFork(runtime)(check(Infinity))
      return {
        reset: () => {
          entry.since = clock.unsafeCurrentTimeMillis()
        },
        pause: () => {
          entry.since = Number.POSITIVE_INFINITY
        },
        extend: (limit) => {
          entry.since = clock.unsafeCurrentTimeMillis()
          entry.limit = Math.max(limit, millis)
        },
        stop: () => {
          entries.delete(entry)
          stopSoon()
        }
      }
    }
    return { idle, start: Number.isFinite(millis) ? start : () => forever }
  })

const forever: IdleTimer = { reset: () => {}, pause: () => {}, extend: () => {}, stop: () => {} }
