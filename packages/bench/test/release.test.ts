import { describe, expect, it } from "@effect/vitest"
import { row } from "../src/internal/measure.js"
import { figures, regressions } from "../src/internal/release.js"

describe("regressions", () => {
  it.each(
    [
      { name: "a ratio that grew", better: "lower", unit: "", was: [1], is: [1.3], worse: "1.30" },
      { name: "a ratio within the margin", better: "lower", unit: "", was: [1], is: [1.2], worse: undefined },
      { name: "a ratio with one good round", better: "lower", unit: "", was: [1], is: [2, 2, 1.1], worse: undefined },
      { name: "a rate that fell to half", better: "higher", unit: "1/s", was: [100], is: [50], worse: "2.00" },
      { name: "a rate that grew", better: "higher", unit: "1/s", was: [100], is: [300], worse: undefined },
      { name: "a time that fell", better: "lower", unit: "ms", was: [10], is: [5], worse: undefined },
      { name: "a count that was nothing", better: "lower", unit: "", was: [0], is: [5], worse: undefined }
    ] as const
  )("$name", ({ better, is, unit, was, worse }) => {
    const rowOf = (samples: ReadonlyArray<number>) => row({ name: "a", unit, better }, samples)
    const lines = regressions([rowOf(is)], figures([rowOf(was)], 0.01), 0.01)
    expect(lines).toEqual(worse === undefined ? [] : [`a: ${worse} times as bad as in the last release`])
  })

  it("compares times by the speed of the machines", () => {
    const rowOf = (milliseconds: number) => row({ name: "a", unit: "ms", better: "lower" }, [milliseconds])
    const before = figures([rowOf(10)], 0.01)
    expect(regressions([rowOf(20)], before, 0.02)).toEqual([])
    expect(regressions([rowOf(20)], before, 0.01)).toEqual(["a: 2.00 times as bad as in the last release"])
  })

  it("leaves out what the last release did not have", () => {
    expect(regressions([row({ name: "new", unit: "", better: "lower" }, [1])], {}, 0.01)).toEqual([])
  })
})
