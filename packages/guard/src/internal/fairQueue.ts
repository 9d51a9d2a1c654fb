import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

/** A queue had no place left, or gave the place to another key. */
export class QueueFull extends Data.TaggedError("QueueFull") {}

export interface Settings {
  /** The number of jobs that run at the same time. */
  readonly concurrency: number
  /** The number of jobs that run or wait, in total. */
  readonly capacity: number
}

/** The owner of a job. Jobs of known keys run before all others, and take their places when the queue is full. */
export interface Owner {
  readonly key: string
  readonly isKnown: boolean
}

/**
 * Runs a limited number of jobs at a time. Keys take turns, so that a key with many jobs delays each other key by one
 * job per turn. When the queue is full, a key with few jobs takes the place of the last job of the key with the most.
 */
export interface FairQueue {
  /** Returns whether the queue has a place for one more job of a key. */
  readonly hasRoom: (owner: Owner) => boolean
  /**
   * Runs a job when its turn comes. Interruption removes a waiting job. A running job keeps its place until it
   * completes. Fails with `QueueFull` if there is no place, or if the place goes to another key.
   */
  readonly run: <A>(owner: Owner, job: Effect.Effect<A>) => Effect.Effect<A, QueueFull>
}

interface Ticket extends Owner {
  state: "waiting" | "started" | "removed"
  readonly resume: (outcome: Effect.Effect<void, QueueFull>) => void
}

/** The waiting tickets of each key. The keys are in the order of their turns. */
type Queues = Map<string, Array<Ticket>>

export const make = ({ capacity, concurrency }: Settings): FairQueue => {
  const knownQueues: Queues = new Map()
  const otherQueues: Queues = new Map()
  let running = 0
  let waiting = 0
  const queuesOf = ({ isKnown }: Owner) => isKnown ? knownQueues : otherQueues

  const remove = (ticket: Ticket) => {
    const queues = queuesOf(ticket)
    const rest = queues.get(ticket.key)?.filter((other) => other !== ticket) ?? []
    if (rest.length > 0) queues.set(ticket.key, rest)
    else queues.delete(ticket.key)
    ticket.state = "removed"
    waiting -= 1
  }

  /** Returns the ticket whose place a new job may take. */
  const evictableFor = (owner: Owner): Ticket | undefined => {
    const longest = (queues: Queues) =>
      [...queues.values()].reduce<ReadonlyArray<Ticket>>((one, other) => other.length > one.length ? other : one, [])
    const unknownTicket = owner.isKnown ? longest(otherQueues).at(-1) : undefined
    if (unknownTicket !== undefined) return unknownTicket
    const queues = queuesOf(owner)
    const queue = longest(queues)
    return queue.length > (queues.get(owner.key)?.length ?? 0) + 1 ? queue.at(-1) : undefined
  }

  const startNext = () => {
    const queues = knownQueues.size > 0 ? knownQueues : otherQueues
    const [queue] = queues.values()
    const ticket = queue?.[0]
    if (ticket === undefined) return
    remove(ticket)
    const rest = queues.get(ticket.key)
    // The key moves to the end of the order.
    if (rest !== undefined) {
      queues.delete(ticket.key)
      queues.set(ticket.key, rest)
    }
    ticket.state = "started"
    running += 1
    ticket.resume(Effect.void)
  }

  const leave = () => {
    running -= 1
    startNext()
  }

  const hasRoom: FairQueue["hasRoom"] = (owner) =>
    running + waiting < Math.max(capacity, concurrency) || evictableFor(owner) !== undefined

  const enter = (owner: Owner): Effect.Effect<void, QueueFull> =>
    Effect.async((resume) => {
      if (running < concurrency) {
        running += 1
        return resume(Effect.void)
      }
      if (running + waiting >= capacity) {
        const evicted = evictableFor(owner)
        if (evicted === undefined) return resume(new QueueFull())
        remove(evicted)
        evicted.resume(new QueueFull())
      }
      const ticket: Ticket = { ...owner, state: "waiting", resume }
      const queues = queuesOf(owner)
      queues.set(owner.key, [...queues.get(owner.key) ?? [], ticket])
      waiting += 1
      return Effect.sync(() => {
        if (ticket.state === "waiting") remove(ticket)
        else if (ticket.state === "started") leave()
      })
    })

  return {
    hasRoom,
    run: (owner, job) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(
          Effect.zipRight(restore(enter(owner)), Effect.forkDaemon(Effect.ensuring(job, Effect.sync(leave)))),
          (fiber) => restore(Effect.flatten(Fiber.await(fiber)))
        )
      )
  }
}
