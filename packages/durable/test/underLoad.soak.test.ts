import { it } from "@effect/vitest"
import { Effect } from "effect"
import { collectUnderLoad } from "./soak/collect.js"
import { killUnderLoad } from "./soak/kill.js"

const seconds = Number(process.env["SOAK_SECONDS"] ?? "600")

const report = (result: unknown) => process.stdout.write(`${JSON.stringify(result)}\n`)

it.live(
  `a server killed under load for ${seconds} s, at most 1,000 times, has lost nothing, and leaves nothing behind`,
  () => {
    const end = performance.now() + seconds * 1000
    return Effect.map(killUnderLoad(8, (rounds) => rounds < 1000 && performance.now() < end), report)
  },
  (seconds + 300) * 1000
)

it.live(
  `clients meet no error for ${seconds} s while the collector deletes what is two seconds old`,
  () => Effect.map(collectUnderLoad(16, seconds), report),
  (seconds + 300) * 1000
)
