import { checks } from "@effect-oci/conformance/Conformance"
import { Memory } from "@effect-oci/store"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Mutants from "../src/Mutants.js"
import { areas } from "./suites/areas.js"
import { findEachOther } from "./suites/mutants.js"

for (const [name, area] of Object.entries(areas)) describe(name, () => findEachOther(area, "their checks"))

describe("Mutants", () => {
  it("have ids of their own", () => {
    const ids = Mutants.all.map(({ id }) => id)
    expect(ids).toHaveLength(new Set(ids).size)
  })

  it("are all tested, and so are all checks", () => {
    expect(Object.values(areas).flatMap(({ mutants }) => mutants)).toEqual(Mutants.all)
    expect(new Set(Object.values(areas).flatMap((area) => [...area.checks]))).toEqual(new Set(checks))
  })

  it.effect("breaks no rule: nothing is found", () =>
    Effect.gen(function*() {
      const found = yield* Mutants.findings({ id: "none", name: "it breaks no rule", breaks: [] }, { concurrency: 1 })
      expect(found).toEqual([])
    }).pipe(Effect.provide(Memory.layer({ anonymousMount: true }))))
})
