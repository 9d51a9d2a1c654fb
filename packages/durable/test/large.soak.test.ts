import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { growthOf } from "./soak/large.js"

const mebibytes = Number(process.env["SOAK_MEBIBYTES"] ?? "5120")

it.live(
  `a blob of ${mebibytes} MiB is pushed and pulled with little memory`,
  () =>
    Effect.map(growthOf(mebibytes), (growth) => {
      process.stdout.write(`${mebibytes} MiB pushed and pulled: the memory grew by ${growth} MiB\n`)
      assert.isBelow(growth, 64)
    }),
  1_800_000
)
