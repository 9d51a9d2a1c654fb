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

interface Turn {
  /** Resumes the waiting request: it is the next one to run. */
  start: () => void
  state: "waiting" | "next" | "running"
}

/** The queue of requests to one host. */
export class Lane {
  private running = 0
  private heldUntil = 0
  private spentUntil = 0
  private next: Turn | undefined
  private readonly waiting = new Set<Turn>()

  constructor(private readonly speed: Speed) {}

  /** Starts no request before the given time. Running requests are not affected. */
  hold(until: number): void {
    this.heldUntil = Math.max(this.heldUntil, until)
  }

  /** Returns whether the queue is empty and a new request would start immediately. */
  isIdle(now: number): boolean {
    return this.running === 0 && this.next === undefined && this.heldUntil <= now && this.spentUntil <= now
  }

  /** Runs an effect when its turn comes. Interruption removes it from the queue. */
  through<A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.flatMap(Effect.clock, (clock) => {
      const turn: Turn = { start: () => {}, state: "waiting" }
      return Effect.ensuring(
        Effect.zipRight(Effect.zipRight(this.enter(turn), this.ready(turn, clock)), effect),
        Effect.sync(() => this.leave(turn))
      )
    })
  }

  private enter(turn: Turn): Effect.Effect<void> {
    return Effect.async((resume) => {
      turn.start = () => resume(Effect.void)
      this.waiting.add(turn)
      this.advance()
    })
  }

  private advance(): void {
    if (this.next !== undefined || this.running >= this.speed.concurrency) return
    for (const turn of this.waiting) {
      this.waiting.delete(turn)
      this.next = turn
      turn.state = "next"
      return turn.start()
    }
  }

  /** Waits until the next request may start. Only one request waits here at a time, so that the order is kept. */
  private ready(turn: Turn, clock: Clock.Clock): Effect.Effect<void> {
    return Effect.suspend(() => {
      const now = clock.unsafeCurrentTimeMillis()
      const wait = Math.max(this.heldUntil, this.spentUntil - this.speed.burst) - now
      if (wait > 0) return Effect.zipRight(Effect.sleep(wait), this.ready(turn, clock))
      this.spentUntil = Math.max(this.spentUntil, now) + this.speed.gap
      turn.state = "running"
      this.running++
      this.next = undefined
      this.advance()
      return Effect.void
    })
  }

  private leave(turn: Turn): void {
    if (turn.state === "running") this.running--
    if (turn.state === "next") this.next = undefined
    this.waiting.delete(turn)
    this.advance()
  }
}
