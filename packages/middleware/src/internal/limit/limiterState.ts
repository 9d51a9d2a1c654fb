import { TokenBucket } from "@effect-oci/core/TokenBucket"
import type { Rate } from "@effect-oci/core/TokenBucket"

/**
 * The kind of an operation: `small` for operations that the registry answers at once, `read` for content that stays
 * open, `write` for a body in transfer.
 */
export type Kind = "small" | "read" | "write"

/** How many operations of each kind may run at the same time, and how many operations may start. */
export interface Limits {
  readonly permits: { readonly [K in Kind]: number }
  /** The rate of a token bucket. Each operation takes one token. */
  readonly rate: Rate | undefined
}

/** An operation in the queue. */
export interface Ticket {
  readonly kind: Kind
  readonly takesToken: boolean
  readonly order: number
  isAdmitted: boolean
  /** Called when the operation is admitted. */
  wake: () => void
}

/** How many small operations may go before a large operation that could go as well. */
const maxSmallBeforeLarge = 4

/**
 * The state of one limit: permits, tokens, and the queue. Each kind is first in, first out. Small operations go before
 * others, but one in five is a large operation, if one waits. Times are in milliseconds.
 */
export class LimiterState {
  private readonly used: { [K in Kind]: number } = { small: 0, read: 0, write: 0 }
  private readonly queues: { readonly [K in Kind]: Set<Ticket> } = {
    small: new Set(),
    read: new Set(),
    write: new Set()
  }
  private readonly bucket: TokenBucket | undefined
  private arrivals = 0
  private smallBefore = 0
  /** Whether a timer already runs that checks the queue after {@link delay}. */
  isTimed = false

  constructor(private readonly limits: Limits, now: number) {
    this.bucket = limits.rate && new TokenBucket(limits.rate, now)
  }

  get waiting(): number {
    return this.queues.small.size + this.queues.read.size + this.queues.write.size
  }

  get isIdle(): boolean {
    const { read, small, write } = this.used
    return small + read + write + this.waiting === 0
  }

  /** Returns whether an operation that takes no token could start now, without overtaking a waiting operation. */
  isFree(kind: Kind): boolean {
    return this.used[kind] < this.limits.permits[kind] && this.queues[kind].size === 0
  }

  /** Takes a token, unless there is none or a waiting operation needs it. Returns whether it did. */
  takeToken(now: number): boolean {
    this.admit(now)
    return this.takeFrom(now)
  }

  take(kind: Kind): void {
    this.used[kind]++
  }

  leave(kind: Kind, now: number): void {
    this.used[kind]--
    this.admit(now)
  }

  enqueue(kind: Kind, takesToken: boolean): Ticket {
    const ticket: Ticket = { kind, takesToken, order: this.arrivals++, isAdmitted: false, wake: () => {} }
    this.queues[kind].add(ticket)
    return ticket
  }

  /** Removes an operation from the queue, or releases its permit if it was already admitted. */
  abandon(ticket: Ticket, now: number): void {
    if (ticket.isAdmitted) return this.leave(ticket.kind, now)
    this.queues[ticket.kind].delete(ticket)
    this.admit(now)
  }

  /** Admits the waiting operations that can start now. */
  admit(now: number): void {
    for (let next = this.next(); next !== undefined; next = this.next()) {
      if (next.takesToken && !this.takeFrom(now)) return
      this.queues[next.kind].delete(next)
      this.smallBefore = next.kind === "small" ? this.smallBefore + 1 : 0
      this.used[next.kind]++
      next.isAdmitted = true
      next.wake()
    }
  }

  /**
   * Returns the time until the next operation that waits only for a token receives one. `undefined` if there is none.
   */
  delay(now: number): number | undefined {
    this.admit(now)
    return this.next() === undefined ? undefined : this.wait(now)
  }

  /** Returns the time until the bucket contains `count` tokens. 0 if it contains them now, and without a rate. */
  wait(now: number, count = 1): number {
    return this.bucket?.wait(now, count) ?? 0
  }

  private takeFrom(now: number): boolean {
    if (this.wait(now) > 0) return false
    this.bucket?.take(now)
    return true
  }

  /** Returns the next operation to admit, if there is a token. */
  private next(): Ticket | undefined {
    const small = this.first("small")
    const read = this.first("read")
    const write = this.first("write")
    const large = read !== undefined && (write === undefined || read.order < write.order) ? read : write
    return small === undefined || (large !== undefined && this.smallBefore >= maxSmallBeforeLarge) ? large : small
  }

  private first(kind: Kind): Ticket | undefined {
    if (this.used[kind] >= this.limits.permits[kind]) return undefined
    return this.queues[kind].values().next().value
  }
}

/** The limit states of all keys. An idle state is forgotten once its token bucket is full again. */
export class LimiterStates {
  private readonly active = new Map<string, LimiterState>()
  /** Idle states whose token bucket is not full yet, the one that is idle longest first. */
  private readonly idle = new Map<string, { readonly state: LimiterState; readonly until: number }>()
  /** The time until an empty token bucket is full, in milliseconds. */
  private readonly refillTime: number

  constructor(private readonly limits: Limits) {
    const { rate } = limits
    this.refillTime = rate === undefined ? 0 : Math.ceil(rate.capacity / rate.perMilli)
  }

  /** The number of states in memory. */
  get size(): number {
    return this.active.size + this.idle.size
  }

  /** Returns the state of a key if the key is in use. */
  ifActive(key: string): LimiterState | undefined {
    return this.active.get(key)
  }

  /** Returns the state of a key, which is in use until `settle`. */
  get(key: string, now: number): LimiterState {
    const active = this.active.get(key)
    if (active !== undefined) return active
    const state = this.idle.get(key)?.state ?? new LimiterState(this.limits, now)
    this.idle.delete(key)
    this.active.set(key, state)
    return state
  }

  /** Moves a state that became idle to the idle ones, and forgets those whose token bucket is full again. */
  settle(key: string, state: LimiterState, now: number): void {
    if (state.isIdle) {
      this.active.delete(key)
      if (this.refillTime > 0) this.idle.set(key, { state, until: now + this.refillTime })
    }
    for (const [key, { until }] of this.idle) {
      if (until > now) break
      this.idle.delete(key)
    }
  }
}
