import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Check, Outcome } from "../src/Check.js"
import type * as Conformance from "../src/Conformance.js"
import * as Report from "../src/Report.js"

const passed: Outcome = { _tag: "Passed" }
const failed = (reason: string): Outcome => ({ _tag: "Failed", reason })
const skipped = (reason: string): Outcome => ({ _tag: "Skipped", reason })

const result = (id: string, section: string, level: Check["level"], outcome: Outcome): Conformance.Result => ({
  check: { id, section, level, rules: [4, 62], name: `the name of ${id}`, run: Effect.void },
  outcome
})

const reportOf = (...results: ReadonlyArray<Conformance.Result>): Conformance.Report => {
  const count = (tag: Outcome["_tag"]) => results.filter(({ outcome }) => outcome._tag === tag).length
  return { results, passed: count("Passed"), failed: count("Failed"), skipped: count("Skipped") }
}

const mixed = reportOf(
  result("one", "Pulling blobs", "must", passed),
  result("two", "Listing Tags", "must", failed("GET /v2/: expected status 200, got status 500 \u001b[2Jboom")),
  result("three", "Pulling blobs", "should", failed("GET /v2/: expected a Location, got none")),
  result("four", "Listing Tags", "may", skipped("the registry does not support catalog"))
)

describe("Report", () => {
  it("toText groups the checks by section, escapes the reasons, and adds the counts of each level", () => {
    expect(Report.toText(mixed)).toBe(`\
Pulling blobs: 1 passed, 1 failed, 0 skipped
  ok   must   one [4, 62]: the name of one
  FAIL should three [4, 62]: the name of three
              GET /v2/: expected a Location, got none

Listing Tags: 0 passed, 1 failed, 1 skipped
  FAIL must   two [4, 62]: the name of two
              GET /v2/: expected status 200, got status 500 \\u001b[2Jboom
  skip may    four [4, 62]: the name of four
              the registry does not support catalog

must   1 passed, 1 failed, 0 skipped
should 0 passed, 1 failed, 0 skipped
may    0 passed, 0 failed, 1 skipped
all    1 passed, 2 failed, 1 skipped
`)
  })

  it("toJson returns the results in order, with unescaped reasons", () => {
    const json = Report.toJson(mixed)
    expect(JSON.parse(JSON.stringify(json))).toEqual(json)
    expect(json).toMatchObject({
      passed: 1,
      failed: 2,
      skipped: 1,
      levels: {
        must: { passed: 1, failed: 1, skipped: 0 },
        should: { passed: 0, failed: 1, skipped: 0 },
        may: { passed: 0, failed: 0, skipped: 1 }
      }
    })
    expect(json.checks.map(({ id, outcome, reason }) => [id, outcome, reason])).toEqual([
      ["one", "passed", undefined],
      ["two", "failed", "GET /v2/: expected status 200, got status 500 \u001b[2Jboom"],
      ["three", "failed", "GET /v2/: expected a Location, got none"],
      ["four", "skipped", "the registry does not support catalog"]
    ])
    expect(json.checks[0]).toEqual({
      id: "one",
      section: "Pulling blobs",
      rules: [4, 62],
      level: "must",
      name: "the name of one",
      outcome: "passed"
    })
  })

  it.each([["must", ["two"]], ["should", ["three"]], ["may", []]] as const)(
    "failures returns the failed checks of level %s",
    (level, ids) => {
      expect(Report.failures(mixed, level).map(({ check }) => check.id)).toEqual(ids)
    }
  )

  it("matrix prints a dot for a section that a report does not contain", () => {
    const rows = [
      { name: "memory", report: reportOf(result("one", "Pulling blobs", "must", passed)) },
      { name: "another", report: mixed }
    ]
    expect(Report.matrix(rows)).toBe(`\
          1   2 passed failed skipped
memory    1   .      1      0       0
another 1-1 0-1      1      2       1

 1 Pulling blobs
 2 Listing Tags
`)
  })

  it("prints empty reports", () => {
    expect(Report.matrix([])).toBe(" passed failed skipped\n\n")
    expect(Report.toText(reportOf())).toContain("all    0 passed, 0 failed, 0 skipped\n")
  })
})
