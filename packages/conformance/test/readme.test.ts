/** The numbers of checks in the README are correct. */
import * as Mutants from "@effect-oci/testing/Mutants"
import { describe, expect, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import type { Level } from "../src/Check.js"
import { checks } from "../src/Conformance.js"

const plain = (text: string) => text.replace(/\s+/g, " ").replace(/ ?\| ?/g, "|").replace(/-{2,}/g, "--")

const readme = plain(readFileSync(new URL("../README.md", import.meta.url), "utf8"))

const count = (level: Level, among = checks) => among.filter((check) => check.level === level).length

const sections = [...new Set(checks.map(({ section }) => section))]

const row = (section: string) => {
  const among = checks.filter((check) => check.section === section)
  const rules = [...new Set(among.flatMap(({ rules }) => rules))].sort((a, b) => a - b).join(", ")
  return `| ${section} | ${count("must", among)} | ${count("should", among)} | ${count("may", among)} | ${rules} |`
}

const table = ["| section | must | should | may | rules |", "| - | -: | -: | -: | - |", ...sections.map(row)]

const dev = checks.filter(({ since }) => since === "dev").length

const sums =
  `There are ${checks.length} checks (${count("must")} must, ${count("should")} should, ${count("may")} may; ` +
  `${dev} of them of \`dev\` alone) and ${Mutants.all.length} mutants.`

describe("README", () => {
  it.each(sections)("contains the number of checks of: %s", (section) => {
    expect(readme).toContain(plain(row(section)))
  })

  it("contains no row for another section", () => {
    const rows = readFileSync(new URL("../README.md", import.meta.url), "utf8").match(/^\| .* \| +\d+ \| .*$/gm)
    expect(rows).toHaveLength(table.length - 2)
  })

  it("contains the number of all checks and mutants", () => {
    expect(readme).toContain(sums)
  })
})
