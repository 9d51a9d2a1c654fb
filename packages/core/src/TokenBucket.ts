/**
 * Token buckets: limits of rates.
 *
 * @since 0.1.0
 */

/**
 * A rate: a bucket contains up to `capacity` tokens, and `perMilli` tokens are added in a millisecond.
 *
 * @since 0.1.0
 * @category models
 */
export interface Rate {
  readonly capacity: number
  readonly perMilli: number
}

/**
 * A bucket of tokens that is full at first. Times are in milliseconds. A clock that goes back adds no tokens.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { TokenBucket } from "@effect-oci/core/TokenBucket"
 *
 * const bucket = new TokenBucket({ capacity: 10, perMilli: 1 / 1000 }, Date.now())
 * const tryTake = (now: number) => bucket.wait(now) === 0 && bucket.take(now)
 * ```
 */
export class TokenBucket {
  private tokens: number

  constructor(private readonly rate: Rate, private refilledAt: number) {
    this.tokens = rate.capacity
  }

  /** Returns the time until the bucket contains `count` tokens. 0 if it contains them now. */
  wait(now: number, count = 1): number {
    this.add(0, now)
    return Math.max(0, Math.ceil((count - this.tokens) / this.rate.perMilli))
  }

  /** Returns whether the bucket contains all of its tokens, as a new bucket does. */
  isFull(now: number): boolean {
    this.add(0, now)
    return this.tokens >= this.rate.capacity
  }

  /** Takes a token, even if the bucket contains less than one. */
  take(now: number): void {
    this.add(-1, now)
  }

  giveBack(now: number): void {
    this.add(1, now)
  }

  private add(count: number, now: number): void {
    const elapsed = Math.max(0, now - this.refilledAt)
    const refilled = Math.min(this.rate.capacity, this.tokens + elapsed * this.rate.perMilli)
    this.tokens = Math.min(this.rate.capacity, refilled + count)
    this.refilledAt += elapsed
  }
}
