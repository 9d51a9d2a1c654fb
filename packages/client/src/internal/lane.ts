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
  start: (() => void) | undefined
  isOn: boolean
}

/** The way to a host, on which requests wait for each other. */
export class Lane {
  private running = 0
  private heldUntil = 0
  private spentUntil = 0
  private readonly waiting = new Set<Turn>()

  constructor(private readonly speed: Speed) {}

  /** Lets nobody go before a time. Who is under way already is. */
  hold(until: number): void {
    this.heldUntil = Math.max(this.heldUntil, until)
  }

  /** Whether nobody is on it, and whoever came would go at once. */
  isIdle(now: number): boolean {
    return this.running === 0 && this.heldUntil <= now && this.spentUntil <= now
  }

  /** The same effect, when its turn has come. */
  through<A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.flatMap(Effect.clock, (clock) => {
      const turn: Turn = { start: undefined, isOn: false }
      return Effect.ensuring(
        Effect.zipRight(Effect.zipRight(this.enter(turn), this.ready(clock)), effect),
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

  private leave(turn: Turn): void {
    if (turn.isOn) this.running--
    this.waiting.delete(turn)
    this.advance()
  }

  private advance(): void {
    for (const turn of this.waiting) {
      if (this.running >= this.speed.concurrency) return
      this.waiting.delete(turn)
      this.running++
      turn.isOn = true
      turn.start?.()
    }
  }

  private ready(clock: Clock.Clock): Effect.Effect<void> {
    return Effect.suspend(() => {
      const now = clock.unsafeCurrentTimeMillis()
      if (this.heldUntil > now) return Effect.zipRight(Effect.sleep(this.heldUntil - now), this.ready(clock))
      const turn = Math.max(this.spentUntil, now)
      this.spentUntil = turn + this.speed.gap
      const wait = turn - this.speed.burst - now
      return wait <= 0 ? Effect.void : Effect.zipRight(Effect.sleep(wait), this.unheld(clock))
    })
  }

  private unheld(clock: Clock.Clock): Effect.Effect<void> {
    return Effect.suspend(() => {
      const wait = this.heldUntil - clock.unsafeCurrentTimeMillis()
      return wait <= 0 ? Effect.void : Effect.zipRight(Effect.sleep(wait), this.unheld(clock))
    })
  }
}
