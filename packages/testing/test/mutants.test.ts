import { checks } from "@effect-oci/conformance/Conformance"
import { Memory } from "@effect-oci/store"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Mutants from "../src/Mutants.js"
import { areas } from "./suites/areas.js"
import { testArea } from "./suites/mutants.js"

for (const [name, area] of Object.entries(areas)) describe(name, () => testArea(area, "their checks"))

describe("Mutants", () => {
  it("have unique ids", () => {
    const ids = Mutants.all.map(({ id }) => id)
    expect(ids).toHaveLength(new Set(ids).size)
  })

  it("are all in an area, and so are all checks", () => {
    expect(Object.values(areas).flatMap(({ mutants }) => mutants)).toEqual(Mutants.all)
    expect(new Set(Object.values(areas).flatMap((area) => [...area.checks]))).toEqual(new Set(checks))
  })

  it.effect("no check fails for a registry that breaks no rule", () =>
    Effect.gen(function*() {
      const found = yield* Mutants.findings({ id: "none", name: "it breaks no rule", breaks: [] }, { concurrency: 1 })
      expect(found).toEqual([])
    }).pipe(Effect.provide(Memory.layer({ anonymousMount: true }))))
})
