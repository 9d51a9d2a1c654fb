import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { collectUnderLoad } from "./soak/collect.js"
import { killUnderLoad } from "./soak/kill.js"

it.live(
  "a server killed under load has lost nothing, and leaves nothing behind",
  () =>
    Effect.map(killUnderLoad(8, (rounds) => rounds < 8), (result) => {
      assert.isAbove(result.acknowledged, 8)
    }),
  180_000
)

it.live(
  "clients meet no error while the collector deletes what is two seconds old",
  () =>
    Effect.map(collectUnderLoad(16, 10), ({ acknowledged }) => {
      assert.isAbove(acknowledged, 16)
    }),
  120_000
)
