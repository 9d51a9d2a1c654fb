/**
 * What an operation takes while it is under way: `small` where the registry answers at once, `read` for content that
 * stays open, `write` for a body on its way.
 */
export type Kind = "small" | "read" | "write"

/** How many of each kind may be under way at once, and how many operations may begin. */
export interface Limits {
  readonly permits: { readonly [K in Kind]: number }
  /** So many tokens at most, of which so many come back in a millisecond. Each operation takes one. */
  readonly rate: { readonly capacity: number; readonly perMilli: number } | undefined
}

/** One who waits. */
export interface Waiter {
  readonly kind: Kind
  readonly takesToken: boolean
  readonly order: number
  isAdmitted: boolean
  /** Called when it is admitted. */
  wake: () => void
}

/** How many small ones may go before another that could go as well. */
const smallOnes = 4

/**
 * Permits and tokens that are shared, and those who wait for them: each kind in order of arrival, small ones before
 * others, of which one in five goes all the same. Times are in milliseconds.
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
  /** Whether somebody comes back after {@link delay}. */
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

  /** Whether one who takes no token could go now, ahead of nobody. */
  isFree(kind: Kind): boolean {
    return this.held[kind] < this.limits.permits[kind] && this.queues[kind].size === 0
  }

  /** A token, if there is one that nobody waits for. */
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

  /** Gives a place up, or what it was admitted to. */
  giveUp(waiter: Waiter, now: number): void {
    if (waiter.isAdmitted) return this.leave(waiter.kind, now)
    this.queues[waiter.kind].delete(waiter)
    this.admit(now)
  }

  /** Lets in who can go now. */
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

  /** How long until the next who lacks nothing but a token has one, if anybody does. */
  delay(now: number): number | undefined {
    this.admit(now)
    return this.next() === undefined ? undefined : this.tokensIn(1)
  }

  /** How long until there are so many tokens, or 0. */
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

  /** Who goes next, if there is a token. */
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

/** The gates of keys, each for as long as it matters. */
export class Gates {
  private readonly busy = new Map<string, Gate>()
  /** Whose tokens are not all back yet, the longest at rest first. */
  private readonly resting = new Map<string, { readonly gate: Gate; readonly until: number }>()
  /** How long until all tokens are back. */
  private readonly rest: number

  constructor(private readonly limits: Limits) {
    const { rate } = limits
    this.rest = rate === undefined ? 0 : Math.ceil(rate.capacity / rate.perMilli)
  }

  /** How many are kept. */
  get size(): number {
    return this.busy.size + this.resting.size
  }

  /** The gate of a key that is in use, if it is. */
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

  /** Forgets a gate that nobody uses, once all of its tokens are back. */
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
