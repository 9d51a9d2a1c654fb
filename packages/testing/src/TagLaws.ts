/**
 * A law of wrappers under concurrent clients: no tag moves.
 *
 * @since 0.1.0
 */
import type { Middleware } from "@effect-oci/core/Middleware"
import { Registry } from "@effect-oci/core/Registry"
import { LawBroken } from "@effect-oci/laws/Law"
import type { Options, Subject, Wrapper } from "@effect-oci/laws/Law"
import * as Laws from "@effect-oci/laws/Laws"
import * as Memory from "@effect-oci/store/Memory"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import * as recorders from "./internal/linearizability/recorder.js"
import * as races from "./internal/race.js"
import type { Race } from "./internal/race.js"

/**
 * Checks that no tag moves under concurrent pushes: all successful pushes to a tag are of the same manifest, and
 * nothing is deleted. The registry behind the wrapper is {@link slowed}, so that the operations of several clients
 * overlap.
 *
 * @since 0.1.0
 * @category laws
 */
export const keepsTags = (subject: Subject, options?: Options): Effect.Effect<void, LawBroken> =>
  Effect.gen(function*() {
    const backend = options?.backend ?? (() => Memory.layer())
    const { counterexample, failed, seed } = yield* Effect.promise(() =>
      fc.check(
        fc.asyncProperty(races.race, (race) =>
          isKept(race, subject.wrapper).pipe(Effect.provide(backend()), Effect.runPromise)),
        { numRuns: options?.runs ?? 100, seed: options?.seed ?? 20_261_121 }
      )
    )
    const race = counterexample?.[0]
    if (!failed || race === undefined) return
    const law = `${subject.code}: no tag moves`
    return yield* new LawBroken({ law, seed, operations: race.flat().length, test: print(law, race, subject.code) })
  })

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
const isKept = (race: Race, wrapper: Wrapper): Effect.Effect<boolean, never, Registry> =>
  Effect.gen(function*() {
    const { handle } = yield* Registry
    const wrap = yield* Laws.stack([wrapper])
    const recorder = recorders.make()
    yield* races.run(race, races.repository(), wrap(slowed(handle)), recorder.middleware)
    const digests = new Map<string, string>()
    for (const { claim, responded, tag } of recorder.history()) {
      // Without a response it is unknown whether the operation was performed.
      if (responded === Infinity) continue
      if (claim._tag === "Deleted" || claim._tag === "ManifestDeleted") return false
      if (claim._tag !== "Pushed" && claim._tag !== "PushedFrom") continue
      const first = digests.get(tag)
      if (first !== undefined && first !== claim.digest) return false
      digests.set(tag, claim.digest)
    }
    return true
  }).pipe(Effect.scoped)

const print = (law: string, race: Race, code: string): string =>
  `import { Registry } from "@effect-oci/core"
import { Laws } from "@effect-oci/laws"
import { Memory } from "@effect-oci/store"
import { Linearizability, TagLaws } from "@effect-oci/testing"
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"

it.scoped(${JSON.stringify(law)}, () =>
  Effect.gen(function*() {
    const { handle: behind } = yield* Laws.open(Memory.layer())
    const handle = yield* Laws.wrap(behind, [TagLaws.slowed, ${code}])
    const history = yield* Effect.provideService(
      Linearizability.run(${JSON.stringify(race)}), Registry, Registry.fromHandler(handle))
    const pushed = history.flatMap(({ claim, responded, tag }) =>
      responded !== Infinity && "digest" in claim && claim._tag.startsWith("Pushed") ? [[tag, claim.digest]] : [])
    expect(new Set(pushed.map(String)).size).toBe(new Set(pushed.map(([tag]) => tag)).size)
  }))`
