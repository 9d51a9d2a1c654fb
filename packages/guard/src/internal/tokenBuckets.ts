import { LruMap } from "@effect-oci/core/LruMap"
import { TokenBucket } from "@effect-oci/core/TokenBucket"
import type { Rate } from "@effect-oci/core/TokenBucket"

/** A token bucket for each key. They limit the login attempts of a client that may be guessing passwords. */
export class TokenBuckets {
  private readonly buckets: LruMap<string, TokenBucket>

  /** Creates buckets for up to `maxKeys` keys. */
  constructor(private readonly rate: Rate, maxKeys: number) {
    this.buckets = new LruMap(maxKeys)
  }

  /** Returns how long to wait until the next attempt is allowed, in milliseconds. 0 if it is allowed now. */
  wait(key: string, now: number): number {
    return this.buckets.get(key)?.wait(now) ?? 0
  }

  take(key: string, now: number): void {
    const bucket = this.buckets.get(key) ?? new TokenBucket(this.rate, now)
    bucket.take(now)
    this.buckets.set(key, bucket)
  }

  giveBack(key: string, now: number): void {
    const bucket = this.buckets.get(key)
    bucket?.giveBack(now)
    if (bucket?.isFull(now) === true) this.buckets.delete(key)
  }
}
