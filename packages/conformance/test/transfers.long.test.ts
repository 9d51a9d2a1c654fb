import { expect, it } from "@effect/vitest"
import { Effect, Random } from "effect"
import * as transfers from "./transfers.js"

it(
  "10,000 interrupted transfers leave no socket, fiber, download or upload session open",
  () =>
    Effect.gen(function*() {
      const seed = yield* Random.nextIntBetween(0, 0x7fffffff)
      process.stdout.write(`transfers: seed ${seed}\n`)
      const { failed, fired, succeeded } = yield* transfers.run(10_000, seed)
      process.stdout.write(`transfers: ${succeeded} succeeded, ${failed} failed, ${fired} faults\n`)
      expect(fired).toBeGreaterThan(1000)
    }).pipe(Effect.runPromise),
  900_000
)
