import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import * as transfers from "./transfers.js"

it(
  "300 interrupted transfers leave no socket, fiber, download or upload session open",
  () =>
    Effect.gen(function*() {
      const { failed, fired, succeeded } = yield* transfers.run(300, 20_261_121)
      expect(fired).toBeGreaterThan(30)
      expect(succeeded).toBeGreaterThan(100)
      expect(failed).toBeGreaterThan(30)
    }).pipe(Effect.runPromise),
  60_000
)
