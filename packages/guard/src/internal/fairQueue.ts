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

interface Ticket extends Owner {
  state: "waiting" | "started" | "removed"
  readonly resume: (outcome: Effect.Effect<void, QueueFull>) => void
}

/** The waiting tickets of each key. The keys are in the order of their turns. */
type Queues = Map<string, Array<Ticket>>

/**
 * Runs a limited number of jobs at a time. Keys take turns, so that a key with many jobs delays each other key by one
 * job per turn. When the queue is full, a key with few jobs takes the place of the last job of the key with the most.
 */
export class FairQueue {
  readonly #settings: Settings
  readonly #knownQueues: Queues = new Map()
  readonly #otherQueues: Queues = new Map()
  #running = 0
  #waiting = 0

  constructor(settings: Settings) {
    this.#settings = settings
  }

  /** Returns whether the queue has a place for one more job of a key. */
  hasRoom(owner: Owner): boolean {
    const { capacity, concurrency } = this.#settings
    return this.#running + this.#waiting < Math.max(capacity, concurrency) || this.#evictableFor(owner) !== undefined
  }

  /**
   * Runs a job when its turn comes. Interruption removes a waiting job. A running job keeps its place until it
   * completes. Fails with `QueueFull` if there is no place, or if the place goes to another key.
   */
  run<A>(owner: Owner, job: Effect.Effect<A>): Effect.Effect<A, QueueFull> {
    const untilDone = Effect.ensuring(job, Effect.sync(() => this.#leave()))
    return Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(
        Effect.zipRight(restore(this.#enter(owner)), Effect.forkDaemon(untilDone)),
        (fiber) => restore(Effect.flatten(Fiber.await(fiber)))
      )
    )
  }

  #enter(owner: Owner): Effect.Effect<void, QueueFull> {
    const { capacity, concurrency } = this.#settings
    return Effect.async((resume) => {
      if (this.#running < concurrency) {
        this.#running += 1
        return resume(Effect.void)
      }
      if (this.#running + this.#waiting >= capacity) {
        const evicted = this.#evictableFor(owner)
        if (evicted === undefined) return resume(new QueueFull())
        this.#remove(evicted)
        evicted.resume(new QueueFull())
      }
      const ticket: Ticket = { ...owner, state: "waiting", resume }
      const queues = this.#queuesOf(owner)
      queues.set(owner.key, [...queues.get(owner.key) ?? [], ticket])
      this.#waiting += 1
      return Effect.sync(() => {
        if (ticket.state === "waiting") this.#remove(ticket)
        else if (ticket.state === "started") this.#leave()
      })
    })
  }

  #leave(): void {
    this.#running -= 1
    this.#startNext()
  }

  #startNext(): void {
    const queues = this.#knownQueues.size > 0 ? this.#knownQueues : this.#otherQueues
    const [queue] = queues.values()
    const ticket = queue?.[0]
    if (ticket === undefined) return
    this.#remove(ticket)
    const rest = queues.get(ticket.key)
    // The key moves to the end of the order.
    if (rest !== undefined) {
      queues.delete(ticket.key)
      queues.set(ticket.key, rest)
    }
    ticket.state = "started"
    this.#running += 1
    ticket.resume(Effect.void)
  }

  #remove(ticket: Ticket): void {
    const queues = this.#queuesOf(ticket)
    const rest = queues.get(ticket.key)?.filter((other) => other !== ticket) ?? []
    if (rest.length > 0) queues.set(ticket.key, rest)
    else queues.delete(ticket.key)
    ticket.state = "removed"
    this.#waiting -= 1
  }

  /** Returns the ticket whose place a new job may take. */
  #evictableFor(owner: Owner): Ticket | undefined {
    const unknownTicket = owner.isKnown ? longestOf(this.#otherQueues).at(-1) : undefined
    if (unknownTicket !== undefined) return unknownTicket
    const queues = this.#queuesOf(owner)
    const longest = longestOf(queues)
    return longest.length > (queues.get(owner.key)?.length ?? 0) + 1 ? longest.at(-1) : undefined
  }

  #queuesOf({ isKnown }: Owner): Queues {
    return isKnown ? this.#knownQueues : this.#otherQueues
  }
}

const longestOf = (queues: Queues): ReadonlyArray<Ticket> =>
  [...queues.values()].reduce<ReadonlyArray<Ticket>>((one, other) => other.length > one.length ? other : one, [])
