import * as Effect from "effect/Effect"

/** From when on work counts as heavy, in milliseconds: then one piece of it is done at a time, in a third of the time. */
const heavy = 5

/** The most pieces of light work in one turn. */
const most = 64

/**
 * Spreads work that computes for long over turns of the event loop, so that other requests are answered in between. The
 * clients whose work waits have their turns one after the other, however much work each client has.
 */
export const make = () => {
  const waiting = new Map<string, Array<() => void>>()
  let isBusy = false
  let startedAt = 0
  let batch = 1

  /** Takes the next piece of work, and puts the other work of its client at the end. */
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
    startedAt = performance.now()
    setTimeout(end, 0)
  }

  /** After heavy work, other requests have twice the time that the work took. */
  const end = (): void => {
    const elapsed = performance.now() - startedAt
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

  return <A>(client: string, work: () => Effect.Effect<A>): Effect.Effect<A> =>
    Effect.flatMap(Effect.interruptible(turn(client)), work)
}
