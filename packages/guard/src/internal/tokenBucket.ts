import { LruMap } from "@effect-oci/core/LruMap"

/** The number of attempts in a window of time, and the number of keys whose attempts are counted. */
export interface Settings {
  readonly attempts: number
  readonly windowMillis: number
  readonly capacity: number
}

/** A token bucket for each key. It limits the login attempts of a client that may be guessing passwords. */
export interface TokenBucket {
  /** Returns how long to wait until the next attempt is allowed, in milliseconds. 0 if it is allowed now. */
  readonly wait: (key: string, now: number) => number
  readonly take: (key: string, now: number) => void
  readonly giveBack: (key: string, now: number) => void
}

interface Bucket {
  readonly tokens: number
  readonly updatedAt: number
}

/** Creates token buckets that refill over the window. */
export const make = ({ attempts, capacity, windowMillis }: Settings): TokenBucket => {
  const buckets = new LruMap<string, Bucket>(capacity)
  const perMilli = attempts / windowMillis
  const tokens = (key: string, now: number): number => {
    const bucket = buckets.get(key)
    return bucket === undefined ? attempts : Math.min(attempts, bucket.tokens + (now - bucket.updatedAt) * perMilli)
  }
  return {
    wait: (key, now) => Math.max(0, Math.ceil((1 - tokens(key, now)) / perMilli)),
    take: (key, now) => buckets.set(key, { tokens: tokens(key, now) - 1, updatedAt: now }),
    giveBack: (key, now) => {
      const refilled = tokens(key, now) + 1
      if (refilled >= attempts) buckets.delete(key)
      else buckets.set(key, { tokens: refilled, updatedAt: now })
    }
  }
}
