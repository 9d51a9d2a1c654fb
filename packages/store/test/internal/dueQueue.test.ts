import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import { DueQueue } from "../../src/internal/dueQueue.js"

describe("DueQueue", () => {
  it("returns the ids that are due, the earliest first, as a sorted list would", () => {
    const id = fc.constantFrom("a", "b", "c", "d")
    const time = fc.oneof(fc.nat({ max: 20 }), fc.constantFrom(Infinity, 2.5))
    const step = fc.oneof(
      fc.record({ kind: fc.constantFrom("set" as const, "postpone" as const), id, time }),
      fc.record({ kind: fc.constant("delete" as const), id, time })
    )
    fc.assert(fc.property(fc.array(step), fc.nat({ max: 25 }), fc.nat({ max: 5 }), (steps, now, n) => {
      const queue = new DueQueue<string>()
      const model = new Map<string, number>()
      for (const { id, kind, time } of steps) {
        queue[kind](id, time)
        if (kind === "delete") model.delete(id)
        else if (kind === "set" || time > (model.get(id) ?? -1)) model.set(id, time)
      }
      const due = Array.from(model).filter(([, time]) => time <= now)
        .toSorted(([a, one], [b, other]) => Math.ceil(one) - Math.ceil(other) || (a < b ? -1 : 1))
        .slice(0, n).map(([id]) => id)
      expect(queue.due(now, n)).toEqual(due)
      for (const [id, time] of model) expect(queue.timeOf(id)).toBe(time)
    }))
  })
})
