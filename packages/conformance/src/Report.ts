/**
 * Formats the results of a suite, for people and for programs.
 *
 * @since 0.1.0
 */
import { printable } from "@effect-oci/core/Printable"
import type { Level, Outcome } from "./Check.js"
import type { Report, Result } from "./Conformance.js"

const levels: ReadonlyArray<Level> = ["must", "should", "may"]

/**
 * How many checks passed, failed and were skipped.
 *
 * @since 0.1.0
 * @category models
 */
export interface Counts {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

const countsOf = (results: ReadonlyArray<Result>): Counts => {
  const count = (tag: Outcome["_tag"]) => results.filter(({ outcome }) => outcome._tag === tag).length
  return { passed: count("Passed"), failed: count("Failed"), skipped: count("Skipped") }
}

const ofLevel = ({ results }: Report, level: Level) => results.filter(({ check }) => check.level === level)

/** Groups the results by section of the spec, in the order in which the sections first occur. */
const bySection = (results: ReadonlyArray<Result>): ReadonlyMap<string, ReadonlyArray<Result>> => {
  const sections = new Map<string, ReadonlyArray<Result>>()
  for (const result of results) {
    const { section } = result.check
    sections.set(section, [...sections.get(section) ?? [], result])
  }
  return sections
}

/**
 * Returns the results of the failed checks of one level.
 *
 * @since 0.1.0
 * @category getters
 */
export const failures = (report: Report, level: Level): ReadonlyArray<Result> =>
  ofLevel(report, level).filter(({ outcome }) => outcome._tag === "Failed")

const marks: { readonly [Tag in Outcome["_tag"]]: string } = { Passed: "ok  ", Failed: "FAIL", Skipped: "skip" }

const lineOf = ({ check, outcome }: Result): string => {
  const line = `  ${marks[outcome._tag]} ${check.level.padEnd(6)} ${check.id} [${
    check.rules.join(", ")
  }]: ${check.name}`
  return outcome._tag === "Passed" ? line : `${line}\n              ${printable(outcome.reason)}`
}

const countsText = ({ failed, passed, skipped }: Counts): string =>
  `${passed} passed, ${failed} failed, ${skipped} skipped`

/**
 * Formats a report as text. It lists all checks by section, each with its level, its id, the numbers of its rules, its
 * name, and the reason if it failed or was skipped. The counts for each level follow. Text from the registry is
 * escaped, so that it is safe to print to a terminal.
 *
 * @since 0.1.0
 * @category formatting
 */
export const toText = (report: Report): string => {
  const sections = [...bySection(report.results)].map(([section, results]) =>
    [`${section}: ${countsText(countsOf(results))}`, ...results.map(lineOf), ""].join("\n")
  )
  const totals = levels.map((level) => `${level.padEnd(6)} ${countsText(countsOf(ofLevel(report, level)))}`)
  return [...sections, ...totals, `all    ${countsText(report)}`, ""].join("\n")
}

/**
 * A report as plain data, which can be serialized as JSON.
 *
 * @since 0.1.0
 * @category models
 */
export interface Json extends Counts {
  readonly levels: { readonly [level in Level]: Counts }
  readonly checks: ReadonlyArray<{
    readonly id: string
    readonly section: string
    readonly rules: ReadonlyArray<number>
    readonly level: Level
    readonly name: string
    readonly outcome: "passed" | "failed" | "skipped"
    /** The reason why the check failed or was skipped. */
    readonly reason?: string
  }>
}

const outcomes = { Passed: "passed", Failed: "failed", Skipped: "skipped" } as const

/**
 * Converts a report to plain data.
 *
 * @since 0.1.0
 * @category formatting
 */
export const toJson = (report: Report): Json => {
  const countsAt = (level: Level) => countsOf(ofLevel(report, level))
  return {
    ...countsOf(report.results),
    levels: { must: countsAt("must"), should: countsAt("should"), may: countsAt("may") },
    checks: report.results.map(({ check: { id, level, name, rules, section }, outcome }) => ({
      id,
      section,
      rules,
      level,
      name,
      outcome: outcomes[outcome._tag],
      ...(outcome._tag === "Passed" ? {} : { reason: outcome.reason })
    }))
  }
}

const cell = ({ failed, passed }: Counts): string =>
  failed > 0 ? `${passed}-${failed}` : passed > 0 ? String(passed) : "."

/**
 * Formats several reports as a table, with a row for each report and a column for each section. A cell shows the number
 * of checks that passed, and after a minus the number that failed. A dot means that all checks were skipped. The last
 * three columns are the totals.
 *
 * @since 0.1.0
 * @category formatting
 */
export const matrix = (rows: ReadonlyArray<{ readonly name: string; readonly report: Report }>): string => {
  const sections = [...bySection(rows.flatMap(({ report }) => report.results)).keys()]
  const numbers = sections.map((_, index) => String(index + 1))
  const table = [
    ["", ...numbers, "passed", "failed", "skipped"],
    ...rows.map(({ name, report }) => {
      const found = bySection(report.results)
      return [
        name,
        ...sections.map((section) => cell(countsOf(found.get(section) ?? []))),
        ...[report.passed, report.failed, report.skipped].map(String)
      ]
    })
  ]
  const widths = table[0]?.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0))) ?? []
  const lines = table.map((row) =>
    row.map((text, column) => column === 0 ? text.padEnd(widths[0] ?? 0) : text.padStart(widths[column] ?? 0)).join(" ")
  )
  const legend = sections.map((section, index) => `${numbers[index]?.padStart(2)} ${section}`)
  return [...lines, "", ...legend, ""].join("\n")
}
