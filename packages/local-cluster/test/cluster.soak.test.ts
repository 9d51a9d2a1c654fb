import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import * as once from "../src/once.js"
import { eagerCollector } from "../src/once/load.js"
import { missing, run } from "./cluster.js"

const seconds = Number(process.env["SOAK_SECONDS"] ?? "600")

it.live.skipIf(missing !== undefined)(
  `a cluster loses nothing while its parts fail, and clients meet no error for ${seconds} s of an eager collector`,
  () =>
    Effect.map(
      run({ seconds: 10, collectSeconds: seconds, titles: once.steps.map(({ title }) => title) }),
      (isGood) => expect(isGood).toBe(true)
    ),
  (seconds + 900) * 1000
)

it.live.skipIf(missing !== undefined)(
  `a cluster whose nodes and PostgreSQL are killed for ${seconds} s has lost nothing, and leaves nothing behind`,
  () =>
    Effect.map(
      run({
        seconds: 1,
        collectSeconds: seconds,
        env: eagerCollector,
        titles: once.longSteps.map(({ title }) => title)
      }),
      (isGood) => expect(isGood).toBe(true)
    ),
  (seconds + 600) * 1000
)
