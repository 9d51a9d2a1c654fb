import { describe, expect, it } from "@effect/vitest"
import { Gates } from "../src/internal/limit/limiterState.js"

const permits = { small: 1, read: 1, write: 1 }

describe("the limits of keys", () => {
  it("are forgotten when they are not in use", () => {
    const gates = new Gates({ permits, rate: undefined })
    const gate = gates.at("a", 0)
    gate.take("read")
    gates.release("a", gate, 0)
    expect(gates.at("a", 0)).toBe(gate)
    gate.leave("read", 0)
    gates.release("a", gate, 0)
    expect(gates.size).toBe(0)
  })

  it("are kept until the token bucket is full, since a new bucket would be full", () => {
    const gates = new Gates({ permits, rate: { capacity: 10, perMilli: 1 / 1000 } })
    const gate = gates.at("a", 0)
    gate.takeToken(0)
    gates.release("a", gate, 0)
    expect(gates.size).toBe(1)
    expect(gates.at("a", 9000)).toBe(gate)
    gates.release("a", gate, 9000)
    for (let key = 0; key < 1000; key++) gates.release(`${key}`, gates.at(`${key}`, 18_999), 18_999)
    expect(gates.size).toBe(1001)
    const last = gates.at("last", 28_999)
    gates.release("last", last, 28_999)
    expect(gates.size).toBe(1)
  })

  it("do not exceed their capacity, also if the clock goes back", () => {
    const gate = new Gates({ permits, rate: { capacity: 2, perMilli: 1 } }).at("a", 1000)
    const taken = (now: number) => [1, 2, 3].filter(() => gate.takeToken(now)).length
    expect(taken(1000)).toBe(2)
    expect(taken(0)).toBe(0)
    expect(taken(1001)).toBe(1)
    expect(taken(1_000_000)).toBe(2)
  })
})
