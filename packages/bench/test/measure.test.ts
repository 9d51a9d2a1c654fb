import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { failures, interleave, median, row, table } from "../src/internal/measure.js"

describe("median", () => {
  it.each([
    { name: "one", samples: [7], expected: 7 },
    { name: "an odd number", samples: [9, 1, 5], expected: 5 },
    { name: "an even number", samples: [4, 1, 3, 2], expected: 2.5 },
    { name: "numbers, not texts", samples: [10, 9, 100], expected: 10 },
    { name: "none", samples: [], expected: Number.NaN }
  ])("of $name", ({ expected, samples }) => {
    expect(median(samples)).toBe(expected)
  })
})

describe("row", () => {
  it.each(
    [
      { name: "a time twice its target", better: "lower", target: 10, samples: [20], ratio: 2, fails: true },
      { name: "a time a little over its target", better: "lower", target: 10, samples: [19], ratio: 1.9, fails: false },
      { name: "a time under its target", better: "lower", target: 10, samples: [5], ratio: 0.5, fails: false },
      { name: "a rate of half its target", better: "higher", target: 10, samples: [5], ratio: 2, fails: true },
      { name: "a rate of twice its target", better: "higher", target: 10, samples: [20], ratio: 0.5, fails: false },
      { name: "a rate of nothing", better: "higher", target: 10, samples: [0], ratio: Infinity, fails: true },
      { name: "no target", better: "lower", target: undefined, samples: [20], ratio: undefined, fails: false },
      { name: "no samples", better: "lower", target: undefined, samples: [], ratio: undefined, fails: true }
    ] as const
  )("$name", ({ better, fails, name, ratio, samples, target }) => {
    const made = row({ name, unit: "ns", better, target }, samples)
    expect(made.ratio).toBe(ratio)
    expect(failures([made])).toEqual(fails ? [made] : [])
  })

  it("formats a row as a line of a table", () => {
    const rows = [row({ name: "a", unit: "ns", better: "lower", target: 10 }, [12.3456, 8, 20])]
    expect(table(rows).split("\n")).toEqual([
      "| name | unit | median | min | max | target | ratio |",
      "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
      "| a | ns | 12.3 | 8 | 20 | 10 | 1.23 |"
    ])
  })
})

it.effect("interleave alternates the direction of rounds and drops the warm-up rounds", () =>
  Effect.gen(function*() {
    const taken: Array<string> = []
    const sample = (name: string) => Effect.sync(() => taken.push(name))
    const rounds = yield* interleave(new Map([["a", sample("a")], ["b", sample("b")]]), { warmUp: 1, rounds: 2 })
    expect(taken.join("")).toBe("abbaab")
    expect(rounds.map((round) => Object.fromEntries(round))).toEqual([{ b: 3, a: 4 }, { a: 5, b: 6 }])
  }))
