import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** How fast a lane is. */
export interface Speed {
  /** How many are under way at a time. */
  readonly concurrency: number
  /** The time between two, in milliseconds, once there were as many as may go at once. */
  readonly gap: number
  /** How much of that time may be spent in advance, in milliseconds. */
  readonly burst: number
}

interface Turn {
  /** Lets whoever waits for it be the next to go. */
  start: () => void
  state: "waiting" | "next" | "running"
}

/** The way to a host, on which requests wait for each other. */
export class Lane {
  private running = 0
  private heldUntil = 0
  private spentUntil = 0
  private next: Turn | undefined
  private readonly waiting = new Set<Turn>()

  constructor(private readonly speed: Speed) {}

  /** Lets nobody go before a time. Who is under way already is. */
  hold(until: number): void {
    this.heldUntil = Math.max(this.heldUntil, until)
  }

  /** Whether nobody is on it, and whoever came would go at once. */
  isIdle(now: number): boolean {
    return this.running === 0 && this.next === undefined && this.heldUntil <= now && this.spentUntil <= now
  }

  /** The same effect, when its turn has come. */
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

  /** Waits, one at a time so that the order stays, until the next may go. */
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
