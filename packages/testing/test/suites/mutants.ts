import type { Check } from "@effect-oci/conformance/Check"
import { checks as all } from "@effect-oci/conformance/Conformance"
import { Memory } from "@effect-oci/store"
import { afterAll, afterEach, describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Mutant } from "../../src/Mutant.js"
import * as Mutants from "../../src/Mutants.js"

/** Mutants, and the checks that must detect them. */
export interface Area {
  readonly mutants: ReadonlyArray<Mutant>
  readonly checks: ReadonlyArray<Check>
}

/** Lists the checks, or counts them if a mutant breaks a rule that many checks depend on. */
const shown = (checks: ReadonlyArray<Check>) =>
  checks.length > 6 ? `${checks.length} checks` : checks.map(({ id }) => id).join(" ")

const isOf = (mutant: Mutant) => (check: Check) => check.rules.some((rule) => mutant.breaks.includes(rule))

/** The checks to skip: those of other rules. */
const checksToSkip = (mutant: Mutant) =>
  Object.fromEntries(all.filter((check) => !isOf(mutant)(check)).map(({ id }) => [id, "of another rule"]))

/**
 * Tests that a check finds every mutant, and that every check finds one. Against each mutant the checks of its rules run;
 * or all checks, which takes minutes, and shows that no two checks find the same mutants.
 */
export const testArea = ({ checks, mutants }: Area, run: "their checks" | "all checks"): void => {
  const table = new Map<Mutant, ReadonlyArray<Check>>()

  /** The mutants that a check finds. */
  const foundBy = (check: Check) => [...table].flatMap(([mutant, found]) => found.includes(check) ? [mutant] : [])

  /** Everything runs in this process without waiting, so Vitest would not receive its messages otherwise. */
  afterEach(() => new Promise((resolve) => setImmediate(resolve)))

  describe("mutants", () => {
    it.effect.each(mutants)("$id: $name", (mutant) =>
      Effect.gen(function*() {
        const skip = run === "all checks" ? {} : checksToSkip(mutant)
        const found = yield* Mutants.findings(mutant, { concurrency: 1, skip })
        table.set(mutant, found)
        expect(found.filter(isOf(mutant))).not.toEqual([])
      }).pipe(Effect.provide(Memory.layer({ anonymousMount: true }))))
  })

  describe("checks", () => {
    it.each(checks)("$id finds a mutant that breaks its rule", (check) => {
      expect(foundBy(check).filter((mutant) => isOf(mutant)(check))).not.toEqual([])
    })

    it.runIf(run === "all checks")("find a set of mutants that no other check finds", () => {
      const byMutants = new Map<string, ReadonlyArray<string>>()
      for (const check of checks) {
        const found = foundBy(check).map(({ id }) => id).join(" ")
        byMutants.set(found, [...byMutants.get(found) ?? [], check.id])
      }
      expect([...byMutants.values()].filter(({ length }) => length > 1)).toEqual([])
    })
  })

  if (run === "all checks") {
    afterAll(() => {
      const rows = [...table].map(([{ id }, found]) => `${id.padEnd(40)} ${shown(found)}`)
      process.stdout.write(`${["mutant".padEnd(40) + " is found by", ...rows].join("\n")}\n`)
    })
  }
}
