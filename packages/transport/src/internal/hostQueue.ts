import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** The limits of a host's queue. */
export interface Speed {
  /** How many requests may run at a time. */
  readonly concurrency: number
  /** The time between two requests, in milliseconds, after the burst is used up. */
  readonly gap: number
  /** How much of that time may be used in advance, in milliseconds. */
  readonly burst: number
}

interface Ticket {
  /** Resumes the waiting request: it is the next one to run. */
  start: () => void
  state: "waiting" | "next" | "running"
}

/** The queue of requests to one host. */
export class HostQueue {
  private running = 0
  private pausedUntil = 0
  private reservedUntil = 0
  private next: Ticket | undefined
  private readonly waiting = new Set<Ticket>()

  constructor(private readonly speed: Speed) {}

  /** Starts no request before the given time. Running requests are not affected. */
  pause(until: number): void {
    this.pausedUntil = Math.max(this.pausedUntil, until)
  }

  /** Returns whether the queue is empty and a new request would start immediately. */
  isIdle(now: number): boolean {
    return this.running === 0 && this.next === undefined && this.pausedUntil <= now && this.reservedUntil <= now
  }

  /** Runs an effect when its turn comes. Interruption removes it from the queue. */
  run<A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.flatMap(Effect.clock, (clock) => {
      const ticket: Ticket = { start: () => {}, state: "waiting" }
      return Effect.ensuring(
        Effect.zipRight(Effect.zipRight(this.enter(ticket), this.ready(ticket, clock)), effect),
        Effect.sync(() => this.leave(ticket))
      )
    })
  }

  private enter(ticket: Ticket): Effect.Effect<void> {
    return Effect.async((resume) => {
      ticket.start = () => resume(Effect.void)
      this.waiting.add(ticket)
      this.advance()
    })
  }

  private advance(): void {
    if (this.next !== undefined || this.running >= this.speed.concurrency) return
    for (const ticket of this.waiting) {
      this.waiting.delete(ticket)
      this.next = ticket
      ticket.state = "next"
      return ticket.start()
    }
  }

  /** Waits until the next request may start. Only one request waits here at a time, so that the order is kept. */
  private ready(ticket: Ticket, clock: Clock.Clock): Effect.Effect<void> {
    return Effect.suspend(() => {
      const now = clock.unsafeCurrentTimeMillis()
      const wait = Math.max(this.pausedUntil, this.reservedUntil - this.speed.burst) - now
      if (wait > 0) return Effect.zipRight(Effect.sleep(wait), this.ready(ticket, clock))
      this.reservedUntil = Math.max(this.reservedUntil, now) + this.speed.gap
      ticket.state = "running"
      this.running++
      this.next = undefined
      this.advance()
      return Effect.void
    })
  }

  private leave(ticket: Ticket): void {
    if (ticket.state === "running") this.running--
    if (ticket.state === "next") this.next = undefined
    this.waiting.delete(ticket)
    this.advance()
  }
}
