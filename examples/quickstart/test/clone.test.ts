/** Tests `npm start` of the repository, which first installs and builds what is missing. */
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { fileURLToPath } from "node:url"
import { freePort, runProgram } from "./quickstart.js"

const start = fileURLToPath(new URL("../../../.ci/start.mjs", import.meta.url))

it.scopedLive(
  "exits on Ctrl-C under npm start, although the terminal and npm both send a signal",
  () =>
    Effect.gen(function*() {
      const program = "examples/quickstart/src/main.ts"
      const quickstart = yield* runProgram(start, yield* freePort, [program], { MEMORY: "1" })
      yield* quickstart.serving
      yield* quickstart.signal("SIGINT")
      yield* quickstart.signal("SIGINT")
      expect(yield* Effect.timeout(quickstart.ended, "4 seconds")).toBe(0)
    }),
  120_000
)
