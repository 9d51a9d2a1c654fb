import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { missing, run } from "./cluster.js"

it.live.skipIf(missing !== undefined)(
  "a cluster loses nothing when a node is killed, the database restarts, and all nodes restart under load",
  () =>
    Effect.map(
      run({
        seconds: 1,
        collectSeconds: 0,
        titles: [
          "chunks of an upload to different nodes",
          "two nodes at one offset",
          "a node is killed",
          "PostgreSQL restarts",
          "rolling restart",
          "check of both stores"
        ]
      }),
      (isGood) => expect(isGood).toBe(true)
    ),
  300_000
)
