import { describe, expect, it } from "@effect/vitest"
import { LimiterStates } from "../src/internal/limit/limiterState.js"

const permits = { small: 1, read: 1, write: 1 }

describe("the limits of keys", () => {
  it("are forgotten when they are not in use", () => {
    const states = new LimiterStates({ permits, rate: undefined })
    const state = states.get("a", 0)
    state.take("read")
    states.settle("a", state, 0)
    expect(states.get("a", 0)).toBe(state)
    state.leave("read", 0)
    states.settle("a", state, 0)
    expect(states.size).toBe(0)
  })

  it("are kept until the token bucket is full, since a new bucket would be full", () => {
    const states = new LimiterStates({ permits, rate: { capacity: 10, perMilli: 1 / 1000 } })
    const state = states.get("a", 0)
    state.takeToken(0)
    states.settle("a", state, 0)
    expect(states.size).toBe(1)
    expect(states.get("a", 9000)).toBe(state)
    states.settle("a", state, 9000)
    for (let key = 0; key < 1000; key++) states.settle(`${key}`, states.get(`${key}`, 18_999), 18_999)
    expect(states.size).toBe(1001)
    const last = states.get("last", 28_999)
    states.settle("last", last, 28_999)
    expect(states.size).toBe(1)
  })

  it("do not exceed their capacity, also if the clock goes back", () => {
    const state = new LimiterStates({ permits, rate: { capacity: 2, perMilli: 1 } }).get("a", 1000)
    const taken = (now: number) => [1, 2, 3].filter(() => state.takeToken(now)).length
    expect(taken(1000)).toBe(2)
    expect(taken(0)).toBe(0)
    expect(taken(1001)).toBe(1)
    expect(taken(1_000_000)).toBe(2)
  })
})
