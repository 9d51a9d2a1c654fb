/** The checks, checked: whoever breaks a rule is found by a check of that rule, and no check is there for nothing. */
import { Memory } from "@effect-oci/store"
import { afterAll, afterEach, describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Check } from "../src/Check.js"
import { checks } from "../src/Conformance.js"
import type { Mutant } from "../src/Mutant.js"
import * as Mutants from "../src/Mutants.js"

const table = new Map<Mutant, ReadonlyArray<Check>>()

/** Where a mutant breaks a rule that many stand on, how many is enough to say. */
const shown = (checks: ReadonlyArray<Check>) =>
  checks.length > 6 ? `${checks.length} checks` : checks.map(({ id }) => id).join(" ")

const isOf = (mutant: Mutant) => (check: Check) => check.rules.some((rule) => mutant.breaks.includes(rule))

/** The mutants that break a rule of a check, and that it finds. */
const foundBy = (check: Check) =>
  [...table].flatMap(([mutant, found]) => found.includes(check) && isOf(mutant)(check) ? [mutant.id] : [])

/** All is in this process and nothing is waited for, so that nothing else would be heard. */
afterEach(() => new Promise((resolve) => setImmediate(resolve)))

describe("mutants", () => {
  it("have ids of their own", () => {
    const ids = Mutants.all.map(({ id }) => id)
    expect(ids).toHaveLength(new Set(ids).size)
  })

  it.effect.each(Mutants.all)("$id: $name", (mutant) =>
    Effect.gen(function*() {
      const found = yield* Mutants.findings(mutant, { concurrency: 1 })
      table.set(mutant, found)
      expect(found.filter(isOf(mutant))).not.toEqual([])
    }).pipe(Effect.provide(Memory.layer({ anonymousMount: true }))))
})

describe("checks", () => {
  it.each(checks)("$id finds a mutant that breaks its rule", (check) => {
    expect(foundBy(check)).not.toEqual([])
  })

  it.effect("find nothing in a registry that breaks no rule", () =>
    Effect.gen(function*() {
      const found = yield* Mutants.findings({ id: "none", name: "it breaks no rule", breaks: [] }, { concurrency: 1 })
      expect(found).toEqual([])
    }).pipe(Effect.provide(Memory.layer({ anonymousMount: true }))))

  it("find each other mutants than any other", () => {
    const byMutants = new Map<string, ReadonlyArray<string>>()
    for (const check of checks) {
      const mutants = [...table].flatMap(([{ id }, found]) => found.includes(check) ? [id] : []).join(" ")
      byMutants.set(mutants, [...byMutants.get(mutants) ?? [], check.id])
    }
    expect([...byMutants.values()].filter(({ length }) => length > 1)).toEqual([])
  })
})

afterAll(() => {
  const rows = [...table].map(([{ id }, found]) => `${id.padEnd(40)} ${shown(found)}`)
  process.stdout.write(`${["mutant".padEnd(40) + " is found by", ...rows].join("\n")}\n`)
})
