/** The table of what works in which runtime, as a part of a page. */
import type { Results } from "./run.js"

const begin = "<!-- The table is written by `npm run runtimes`. -->"

const row = (cells: ReadonlyArray<string>, widths: ReadonlyArray<number>) =>
  `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(" | ")} |`

/** Renders results by the name of the runtime as a table, with the reasons below it. */
export const render = (checks: ReadonlyArray<string>, columns: ReadonlyMap<string, Results>): string => {
  const reasons: Array<string> = []
  const cell = (check: string, results: Results) => {
    const result = results.get(check)
    if (result === undefined || result._tag === "Fails") return "fails"
    if (result._tag === "Works") return "yes"
    if (!reasons.includes(result.reason)) reasons.push(result.reason)
    return `no (${reasons.indexOf(result.reason) + 1})`
  }
  const rows = checks.map((check) => [check, ...[...columns.values()].map((results) => cell(check, results))])
  const head = ["", ...columns.keys()]
  const widths = head.map((_, column) => Math.max(3, ...[head, ...rows].map((cells) => cells[column]!.length)))
  return [
    row(head, widths),
    row(widths.map((width) => "-".repeat(width)), widths),
    ...rows.map((cells) => row(cells, widths)),
    ...reasons.length === 0 ? [] : ["", ...reasons.map((reason, number) => `${number + 1}. ${reason}`)]
  ].join("\n")
}

/** Replaces the end of a page with a table. */
export const insert = (page: string, table: string): string =>
  `${page.slice(0, page.indexOf(begin) + begin.length)}\n\n${table}\n`

/** Returns the columns and the rows that the table of a page has. */
export const namesOf = (page: string) => {
  const lines = page.slice(page.indexOf(begin)).split("\n").filter((line) => line.startsWith("|"))
  const [head = [], , ...rows] = lines.map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()))
  return { columns: head.slice(1), rows: rows.map(([name]) => name) }
}
