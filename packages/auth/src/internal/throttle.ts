import * as Bounded from "./bounded.js"

/** How many attempts are heard in how long, and of how many who make them that is remembered. */
export interface Settings {
  readonly attempts: number
  readonly windowMillis: number
  readonly capacity: number
}

/** Counts the attempts of those who may be guessing. A right one is given back. */
export interface Throttle {
  /** How long to wait before the next attempt is heard, in milliseconds: 0 is at once. */
  readonly wait: (key: string, now: number) => number
  readonly take: (key: string, now: number) => void
  readonly giveBack: (key: string, now: number) => void
}

interface Bucket {
  readonly left: number
  readonly at: number
}

/** A bucket of tokens for each key, which fills again over the window. */
export const make = ({ attempts, capacity, windowMillis }: Settings): Throttle => {
  const buckets = Bounded.make<Bucket>(capacity)
  const perMilli = attempts / windowMillis
  const left = (key: string, now: number): number => {
    const bucket = buckets.get(key)
    return bucket === undefined ? attempts : Math.min(attempts, bucket.left + (now - bucket.at) * perMilli)
  }
  return {
    wait: (key, now) => Math.max(0, Math.ceil((1 - left(key, now)) / perMilli)),
    take: (key, now) => buckets.set(key, { left: left(key, now) - 1, at: now }),
    giveBack: (key, now) => {
      const more = left(key, now) + 1
      if (more >= attempts) buckets.delete(key)
      else buckets.set(key, { left: more, at: now })
    }
  }
}
