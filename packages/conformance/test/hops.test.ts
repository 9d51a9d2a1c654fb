import type { Registry } from "@effect-oci/core"
import { Memory } from "@effect-oci/store"
import * as History from "@effect-oci/testing/History"
import { hop } from "@effect-oci/testing/NodeHop"
import { describe, expect, it } from "@effect/vitest"
import type { Layer } from "effect"
import { Effect } from "effect"
import * as fc from "fast-check"

const compositions: ReadonlyArray<readonly [string, () => Layer.Layer<Registry>]> = [
  ["itself", () => Memory.layer()],
  ["client → server → memory", () => hop(Memory.layer())],
  ["client → server → client → server → memory", () => hop(hop(Memory.layer()))]
]

describe("a registry returns the same results, errors and messages over any number of hops", () => {
  it.each(compositions)("memory and %s", (_, make) =>
    fc.assert(
      fc.asyncProperty(History.history(25), async (history) => {
        const here = await Effect.runPromise(Effect.provide(History.run(history), Memory.layer()))
        const there = await Effect.runPromise(Effect.provide(History.run(history), make()))
        expect(there).toEqual(here)
      }),
      { numRuns: 60, seed: 20_261_121 }
    ), 60_000)

  it("the histories contain successes of every operation and many kinds of errors", async () => {
    const histories = fc.sample(History.history(40), { numRuns: 100, seed: 7 })
    const responses = await Effect.runPromise(
      Effect.forEach(histories, (history) => Effect.provide(History.run(history), Memory.layer()))
    )
    const all = responses.flat()
    const succeeded = new Set(all.filter(({ error }) => error === undefined).map(({ operation }) => operation))
    expect(all.filter(({ error }) => error === undefined).length / all.length).toBeGreaterThan(0.35)
    expect(succeeded.size).toBe(18)
    expect(new Set(all.map(({ error }) => error)).size).toBeGreaterThan(8)
  })
})
