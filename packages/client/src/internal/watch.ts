import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"

/** Something that is waited for. */
export interface Wait {
  /** It has moved: its time begins anew, also after {@link Wait.pause}. */
  readonly touch: () => void
  /** Others are to move now: its time stands still. */
  readonly pause: () => void
  /** It has come, or nobody wants it any more. */
  readonly stop: () => void
}

/** Tells of what has stood still for too long. */
export interface Watch {
  /** For how long something may stand still. */
  readonly idle: Duration.Duration
  /** Begins to wait for something; `expire` is called at most once. */
  readonly start: (expire: () => void) => Wait
}

interface Entry {
  since: number
  readonly expire: () => void
}

/** How often it is looked, at the least. */
const longestPeriod = Duration.seconds(1)

/**
 * A watch that runs one fiber for all that is waited for, and none where nothing is: a time-out of its own for each
 * request would cost as much as half of a small one.
 */
export const make = (idle: Duration.Duration): Effect.Effect<Watch, never, Scope.Scope> =>
  Effect.gen(function*() {
    const runtime = yield* Effect.runtime()
    const clock = yield* Effect.clock
    const period = Duration.min(Duration.times(idle, 0.25), longestPeriod)
    const millis = Duration.toMillis(idle)
    const entries = new Set<Entry>()
    let ticker: Fiber.RuntimeFiber<void> | undefined

    const look = () => {
      const now = clock.unsafeCurrentTimeMillis()
      for (const entry of entries) {
        if (now - entry.since < millis) continue
        entries.delete(entry)
        entry.expire()
      }
    }
    const tick: Effect.Effect<void> = Effect.flatMap(Effect.sleep(period), () => {
      look()
      if (entries.size > 0) return tick
      ticker = undefined
      return Effect.void
    })
    yield* Effect.addFinalizer(() => ticker === undefined ? Effect.void : Fiber.interrupt(ticker))

    const watch: Watch = {
      idle,
      start: (expire) => {
        const entry: Entry = { since: clock.unsafeCurrentTimeMillis(), expire }
        entries.add(entry)
        ticker ??= Runtime.runFork(runtime)(tick)
        return {
          touch: () => {
            entry.since = clock.unsafeCurrentTimeMillis()
          },
          pause: () => {
            entry.since = Number.POSITIVE_INFINITY
          },
          stop: () => {
            entries.delete(entry)
          }
        }
      }
    }
    return millis === Number.POSITIVE_INFINITY ? never(idle) : watch
  })

const forever: Wait = { touch: () => {}, pause: () => {}, stop: () => {} }

const never = (idle: Duration.Duration): Watch => ({ idle, start: () => forever })
