import { TokenBucket } from "@effect-oci/core/TokenBucket"
import { describe, expect, it } from "@effect/vitest"

describe("TokenBucket", () => {
  it("is full at first, and refills up to its capacity", () => {
    const bucket = new TokenBucket({ capacity: 2, perMilli: 1 / 1000 }, 0)
    bucket.take(0)
    bucket.take(0)
    expect([bucket.wait(0), bucket.wait(400), bucket.wait(1000), bucket.wait(1000, 2)]).toEqual([1000, 600, 0, 1000])
    expect([bucket.isFull(1999), bucket.isFull(2000), bucket.wait(100_000, 3)]).toEqual([false, true, 1000])
  })

  it("goes below zero, takes a token back, and ignores a clock that goes back", () => {
    const bucket = new TokenBucket({ capacity: 1, perMilli: 1 }, 1000)
    bucket.take(1000)
    bucket.take(1000)
    expect([bucket.wait(1000), bucket.wait(0)]).toEqual([2, 2])
    bucket.giveBack(0)
    bucket.giveBack(0)
    bucket.giveBack(0)
    expect([bucket.isFull(0), bucket.wait(0, 2)]).toEqual([true, 1])
  })
})
