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
export interface Party {
  readonly key: string
  readonly isKnown: boolean
}

/**
 * Runs a limited number of jobs at a time. Keys take turns, so that a key with many jobs delays each other key by one
 * job per turn. When the queue is full, a key with few jobs takes the place of the last job of the key with the most.
 */
export interface FairQueue {
  /** Returns whether the queue has a place for one more job of a key. */
  readonly hasRoom: (party: Party) => boolean
  /**
   * Runs a job when its turn comes. Interruption removes a waiting job. A running job keeps its place until it
   * completes. Fails with `QueueFull` if there is no place, or if the place goes to another key.
   */
  readonly run: <A>(party: Party, job: Effect.Effect<A>) => Effect.Effect<A, QueueFull>
}

interface Ticket extends Party {
  state: "waiting" | "started" | "removed"
  readonly resume: (outcome: Effect.Effect<void, QueueFull>) => void
}

/** The waiting tickets of each key. The keys are in the order of their turns. */
type Lanes = Map<string, Array<Ticket>>

export const make = ({ capacity, concurrency }: Settings): FairQueue => {
  const known: Lanes = new Map()
  const strangers: Lanes = new Map()
  let running = 0
  let waiting = 0
  const lanesOf = ({ isKnown }: Party) => isKnown ? known : strangers

  const remove = (ticket: Ticket) => {
    const lanes = lanesOf(ticket)
    const rest = lanes.get(ticket.key)?.filter((other) => other !== ticket) ?? []
    if (rest.length > 0) lanes.set(ticket.key, rest)
    else lanes.delete(ticket.key)
    ticket.state = "removed"
    waiting -= 1
  }

  /** Returns the ticket whose place a new job may take. */
  const victimOf = (party: Party): Ticket | undefined => {
    const longest = (lanes: Lanes) =>
      [...lanes.values()].reduce<ReadonlyArray<Ticket>>((one, other) => other.length > one.length ? other : one, [])
    const stranger = party.isKnown ? longest(strangers).at(-1) : undefined
    if (stranger !== undefined) return stranger
    const lanes = lanesOf(party)
    const lane = longest(lanes)
    return lane.length > (lanes.get(party.key)?.length ?? 0) + 1 ? lane.at(-1) : undefined
  }

  const startNext = () => {
    const lanes = known.size > 0 ? known : strangers
    const [lane] = lanes.values()
    const ticket = lane?.[0]
    if (ticket === undefined) return
    remove(ticket)
    const rest = lanes.get(ticket.key)
    // The key moves to the end of the order.
    if (rest !== undefined) {
      lanes.delete(ticket.key)
      lanes.set(ticket.key, rest)
    }
    ticket.state = "started"
    running += 1
    ticket.resume(Effect.void)
  }

  const leave = () => {
    running -= 1
    startNext()
  }

  const hasRoom: FairQueue["hasRoom"] = (party) =>
    running + waiting < Math.max(capacity, concurrency) || victimOf(party) !== undefined

  const enter = (party: Party): Effect.Effect<void, QueueFull> =>
    Effect.async((resume) => {
      if (running < concurrency) {
        running += 1
        return resume(Effect.void)
      }
      if (running + waiting >= capacity) {
        const victim = victimOf(party)
        if (victim === undefined) return resume(new QueueFull())
        remove(victim)
        victim.resume(new QueueFull())
      }
      const ticket: Ticket = { ...party, state: "waiting", resume }
      const lanes = lanesOf(party)
      lanes.set(party.key, [...lanes.get(party.key) ?? [], ticket])
      waiting += 1
      return Effect.sync(() => {
        if (ticket.state === "waiting") remove(ticket)
        else if (ticket.state === "started") leave()
      })
    })

  return {
    hasRoom,
    run: (party, job) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(
          Effect.zipRight(restore(enter(party)), Effect.forkDaemon(Effect.ensuring(job, Effect.sync(leave)))),
          (fiber) => restore(Effect.flatten(Fiber.await(fiber)))
        )
      )
  }
}
