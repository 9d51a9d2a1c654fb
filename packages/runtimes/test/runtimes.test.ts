import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import * as examples from "../src/examples.js"
import { checks } from "../src/program/checks.js"
import { run } from "../src/run.js"
import * as runtimes from "../src/runtimes.js"
import * as table from "../src/table.js"

const quick = checks.filter((check) => check.quick)

describe("the short run", () => {
  // Runtimes that `npm run runtimes` has installed are tested too.
  for (const runtime of [runtimes.here, runtimes.bun, runtimes.deno]) {
    const path = runtime.find()
    it.live.skipIf(path === undefined)(
      `passes in ${runtime.name}${path === undefined ? ", which is not installed" : ""}`,
      () =>
        Effect.map(run(runtime, path!, quick), (results) => {
          const failures = [...results].flatMap(([check, result]) =>
            result._tag === "Fails" ? [`${check}: ${result.reason}`] : []
          )
          expect(failures).toEqual([])
          expect([...results.keys()]).toEqual(quick.map(({ name }) => name))
        }),
      60_000
    )
  }
})

describe("the program", () => {
  it("imports nothing of Node in browsers and workers", async () => {
    for (const runtime of runtimes.all.filter(({ script }) => script === undefined)) {
      expect(await runtimes.programOf(runtime)).not.toMatch(/(from|import|require)\s*\(?["']node:/)
    }
  })
})

describe("the table", () => {
  it("has a row for each check and a column for each runtime", () => {
    const page = readFileSync(new URL("../../../docs/runtimes.md", import.meta.url), "utf8")
    expect(table.namesOf(page)).toEqual({
      columns: runtimes.all.map(({ name }) => name),
      rows: [...checks, ...examples.checks].map(({ name }) => name)
    })
  })
})
