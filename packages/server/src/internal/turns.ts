import * as Effect from "effect/Effect"

/**
 * The duration from which work is heavy, in milliseconds. Heavy work runs one piece at a time and uses at most a third
 * of the time.
 */
const heavy = 5

/** The maximum number of pieces of light work in one turn. */
const most = 64

/** One turn of the event loop: when it started, the time that finished work used, and the pieces that still run. */
interface Turn {
  readonly startedAt: number
  used: number
  running: number
}

/**
 * Spreads long computations over turns of the event loop, so that the server answers other requests in between. Waiting
 * clients take turns, however much work each client has.
 */
export const make = () => {
  const waiting = new Map<string, Array<() => void>>()
  let isBusy = false
  let current: Turn = { startedAt: 0, used: 0, running: 0 }
  let batch = 1

  /** Removes and returns the next piece of work, and moves the other work of its client to the end. */
  const next = (): (() => void) | undefined => {
    for (const [client, queue] of waiting) {
      waiting.delete(client)
      const begin = queue.shift()
      if (queue.length > 0) waiting.set(client, queue)
      if (begin !== undefined) return begin
    }
    return undefined
  }

  const start = (): void => {
    isBusy = true
    current = { startedAt: performance.now(), used: 0, running: 0 }
    setTimeout(end, 0)
  }

  /** After heavy work, waits twice as long as the work took, so that other requests can run. */
  const end = (): void => {
    // Other requests may have run in the same turn, so the time of finished work counts by itself.
    const elapsed = current.running === 0 ? current.used : performance.now() - current.startedAt
    batch = elapsed > heavy ? 1 : Math.min(batch * 2, most)
    if (elapsed > heavy) setTimeout(proceed, 2 * elapsed)
    else proceed()
  }

  const proceed = (): void => {
    isBusy = false
    for (let count = 0; count < batch; count++) {
      const begin = next()
      if (begin === undefined) return
      if (!isBusy) start()
      begin()
    }
  }

  const turn = (client: string): Effect.Effect<void> =>
    Effect.async<void>((resume) => {
      if (!isBusy) {
        start()
        return resume(Effect.void)
      }
      const begin = () => resume(Effect.void)
      const queue = waiting.get(client) ?? []
      waiting.set(client, queue)
      queue.push(begin)
      return Effect.sync(() => void queue.splice(queue.indexOf(begin) >>> 0, 1))
    })

  const measured = <A>(work: () => Effect.Effect<A>): Effect.Effect<A> => {
    const turn = current
    const begin = performance.now()
    turn.running += 1
    return Effect.map(work(), (result) => {
      turn.used += performance.now() - begin
      turn.running -= 1
      return result
    })
  }

  return <A>(client: string, work: () => Effect.Effect<A>): Effect.Effect<A> =>
    Effect.flatMap(Effect.interruptible(turn(client)), () => measured(work))
}
