import type { Middleware } from "@effect-oci/core/Middleware"
import { Registry } from "@effect-oci/core/Registry"
import * as Effect from "effect/Effect"
import type * as fc from "fast-check"
import type { Wrapper } from "../../Law.js"
import * as racing from "../racing.js"
import type { Race } from "../racing.js"
import * as recording from "../tagRecorder.js"
import { stack } from "./judge.js"
import { file } from "./print.js"

export const races: fc.Arbitrary<Race> = racing.race

/**
 * Yields to other fibers before and after each operation. Otherwise a registry in memory would never serve two
 * operations at the same time.
 *
 * @since 0.1.0
 * @category running
 */
export const slowed: Middleware = (next) => (operation) =>
  Effect.zipLeft(
    Effect.zipRight(Effect.yieldNow(), Effect.suspend(() => next(operation))),
    Effect.yieldNow()
  )

/** Tests whether every tag in a race stays at the first manifest that was pushed to it. */
export const keeps = (race: Race, wrapper: Wrapper): Effect.Effect<boolean, never, Registry> =>
  Effect.gen(function*() {
    const { handle } = yield* Registry
    const wrap = yield* stack([wrapper])
    const recorder = recording.make()
    yield* racing.run(race, racing.repository(), wrap(slowed(handle)), recorder.middleware)
    const points = new Map<string, string>()
    for (const { claim, responded, tag } of recorder.history()) {
      // Without an answer it is unknown whether the operation was performed.
      if (responded === Infinity) continue
      if (claim._tag === "Deleted" || claim._tag === "ManifestDeleted") return false
      if (claim._tag !== "Pushed" && claim._tag !== "PushedIfAbsent") continue
      const first = points.get(tag)
      if (first !== undefined && first !== claim.digest) return false
      points.set(tag, claim.digest)
    }
    return true
  }).pipe(Effect.scoped)

export const print = (race: Race, code: string): string =>
  file(`${code}: no tag moves`, [
    `const { handle: behind } = yield* Laws.open(Memory.layer())`,
    `const handle = yield* Laws.wrap(behind, [Laws.slowed, ${code}])`,
    `const history = yield* Effect.provideService(`,
    `  Linearizability.run(${JSON.stringify(race)}), Registry, Registry.fromHandler(handle))`,
    `const pushed = history.flatMap(({ claim, responded, tag }) =>`,
    `  responded !== Infinity && "digest" in claim && claim._tag.startsWith("Pushed") ? [[tag, claim.digest]] : [])`,
    `expect(new Set(pushed.map(String)).size).toBe(new Set(pushed.map(([tag]) => tag)).size)`
  ])
