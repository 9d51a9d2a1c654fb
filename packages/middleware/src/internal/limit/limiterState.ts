/**
 * The kind of an operation: `small` for operations that the registry answers at once, `read` for content that stays
 * open, `write` for a body in transfer.
 */
export type Kind = "small" | "read" | "write"

/** How many operations of each kind may run at the same time, and how many operations may start. */
export interface Limits {
  readonly permits: { readonly [K in Kind]: number }
  /**
   * A token bucket: it contains up to `capacity` tokens, and `perMilli` tokens are added in a millisecond. Each
   * operation takes one token.
   */
  readonly rate: { readonly capacity: number; readonly perMilli: number } | undefined
}

/** An operation in the queue. */
export interface Waiter {
  readonly kind: Kind
  readonly takesToken: boolean
  readonly order: number
  isAdmitted: boolean
  /** Called when the operation is admitted. */
  wake: () => void
}

/** How many small operations may go before a large operation that could go as well. */
const smallOnes = 4

/**
 * The state of one limit: permits, tokens, and the queue. Each kind is first in, first out. Small operations go before
 * others, but one in five is a large operation, if one waits. Times are in milliseconds.
 */
export class Gate {
  private readonly held: { [K in Kind]: number } = { small: 0, read: 0, write: 0 }
  private readonly queues: { readonly [K in Kind]: Set<Waiter> } = {
    small: new Set(),
    read: new Set(),
    write: new Set()
  }
  private tokens: number
  private refilledAt: number
  private arrivals = 0
  private smallBefore = 0
  /** Whether a timer already runs that checks the queue after {@link delay}. */
  isTimed = false

  constructor(private readonly limits: Limits, now: number) {
    this.tokens = limits.rate?.capacity ?? Infinity
    this.refilledAt = now
  }

  get waiting(): number {
    return this.queues.small.size + this.queues.read.size + this.queues.write.size
  }

  get isIdle(): boolean {
    const { read, small, write } = this.held
    return small + read + write + this.waiting === 0
  }

  /** Returns whether an operation that takes no token could start now, without overtaking a waiting operation. */
  isFree(kind: Kind): boolean {
    return this.held[kind] < this.limits.permits[kind] && this.queues[kind].size === 0
  }

  /** Takes a token, unless there is none or a waiting operation needs it. Returns whether it did. */
  takeToken(now: number): boolean {
    this.admit(now)
    if (this.tokens < 1) return false
    this.tokens--
    return true
  }

  take(kind: Kind): void {
    this.held[kind]++
  }

  leave(kind: Kind, now: number): void {
    this.held[kind]--
    this.admit(now)
  }

  wait(kind: Kind, takesToken: boolean): Waiter {
    const waiter: Waiter = { kind, takesToken, order: this.arrivals++, isAdmitted: false, wake: () => {} }
    this.queues[kind].add(waiter)
    return waiter
  }

  /** Removes an operation from the queue, or releases its permit if it was already admitted. */
  giveUp(waiter: Waiter, now: number): void {
    if (waiter.isAdmitted) return this.leave(waiter.kind, now)
    this.queues[waiter.kind].delete(waiter)
    this.admit(now)
  }

  /** Admits the waiting operations that can start now. */
  admit(now: number): void {
    this.refill(now)
    for (let next = this.next(); next !== undefined; next = this.next()) {
      if (next.takesToken) {
        if (this.tokens < 1) return
        this.tokens--
      }
      this.queues[next.kind].delete(next)
      this.smallBefore = next.kind === "small" ? this.smallBefore + 1 : 0
      this.held[next.kind]++
      next.isAdmitted = true
      next.wake()
    }
  }

  /**
   * Returns the time until the next operation that waits only for a token receives one. `undefined` if there is none.
   */
  delay(now: number): number | undefined {
    this.admit(now)
    return this.next() === undefined ? undefined : this.tokensIn(1)
  }

  /** Returns the time until the bucket contains `count` tokens, or 0 if it already does. */
  tokensIn(count: number): number {
    const { rate } = this.limits
    return rate === undefined ? 0 : Math.max(0, Math.ceil((count - this.tokens) / rate.perMilli))
  }

  private refill(now: number): void {
    const { rate } = this.limits
    if (rate === undefined || now <= this.refilledAt) return
    this.tokens = Math.min(rate.capacity, this.tokens + (now - this.refilledAt) * rate.perMilli)
    this.refilledAt = now
  }

  /** Returns the next operation to admit, if there is a token. */
  private next(): Waiter | undefined {
    const small = this.first("small")
    const read = this.first("read")
    const write = this.first("write")
    const large = read !== undefined && (write === undefined || read.order < write.order) ? read : write
    return small === undefined || (large !== undefined && this.smallBefore >= smallOnes) ? large : small
  }

  private first(kind: Kind): Waiter | undefined {
    if (this.held[kind] >= this.limits.permits[kind]) return undefined
    return this.queues[kind].values().next().value
  }
}

/** The limit states of all keys. An idle state is forgotten once its token bucket is full again. */
export class Gates {
  private readonly busy = new Map<string, Gate>()
  /** Idle states whose token bucket is not full yet, the one that is idle longest first. */
  private readonly resting = new Map<string, { readonly gate: Gate; readonly until: number }>()
  /** The time until an empty token bucket is full, in milliseconds. */
  private readonly rest: number

  constructor(private readonly limits: Limits) {
    const { rate } = limits
    this.rest = rate === undefined ? 0 : Math.ceil(rate.capacity / rate.perMilli)
  }

  /** The number of states in memory. */
  get size(): number {
    return this.busy.size + this.resting.size
  }

  /** Returns the state of a key that is in use. */
  inUse(key: string): Gate | undefined {
    return this.busy.get(key)
  }

  at(key: string, now: number): Gate {
    const busy = this.busy.get(key)
    if (busy !== undefined) return busy
    const gate = this.resting.get(key)?.gate ?? new Gate(this.limits, now)
    this.resting.delete(key)
    this.busy.set(key, gate)
    return gate
  }

  /** Moves a state that became idle to the resting ones, and forgets those whose token bucket is full again. */
  release(key: string, gate: Gate, now: number): void {
    if (gate.isIdle) {
      this.busy.delete(key)
      if (this.rest > 0) this.resting.set(key, { gate, until: now + this.rest })
    }
    for (const [key, { until }] of this.resting) {
      if (until > now) break
      this.resting.delete(key)
    }
  }
}
