/** A thousand new histories of callers behind one cache, each time. */
import { describe, expect, it } from "@effect/vitest"
import { asCaller, broken } from "./asCaller.js"
import { timeToLive } from "./callers.js"

describe("AsCaller, in a thousand random histories of callers,", () => {
  const seed = Date.now() % 2 ** 31

  it("serves what the upstream granted to the caller within the time to live, and nothing else", async () => {
    const found = await broken(asCaller(timeToLive), { timeToLive, isComplete: true }, 1000, seed)
    expect(found, `seed ${seed}`).toBeUndefined()
  }, 300_000)
})
