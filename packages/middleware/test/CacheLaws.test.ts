import { Registry } from "@effect-oci/core"
import type { Middleware, Operation } from "@effect-oci/core"
import { Memory } from "@effect-oci/store"
import * as History from "@effect-oci/testing/History"
import * as Linearizability from "@effect-oci/testing/Linearizability"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Either } from "effect"
import * as fc from "fast-check"
import { Cache } from "../src/index.js"
import { make, memory } from "./cache.js"
import * as laws from "./laws.js"

/** Creates a cache with a new store. */
const cached = (options: Omit<Cache.Options, "store"> = {}, store?: Memory.Options) =>
  Effect.flatMap(memory({ sparseManifests: true, ...store }), (store) => Cache.middleware({ ...options, store }))

const identity: Middleware.Middleware = (next) => next

const caches: ReadonlyArray<{ readonly name: string; readonly wrapper: laws.Wrapper }> = [
  { name: "with default options", wrapper: cached() },
  { name: "with a store that requires blobs before manifests", wrapper: cached({}, { sparseManifests: false }) },
  { name: "with small limits", wrapper: cached({ maxBytes: 3500, maxRemembered: 2, maxManifestBytes: 400 }) },
  { name: "with a store that is full", wrapper: cached({}, { maxBytes: 30 }) },
  { name: "without fills", wrapper: cached({ maxFills: 0 }) },
  { name: "with times to live of 0", wrapper: cached({ tagTimeToLive: 0, negativeTimeToLive: 0 }) }
]

/** Returns whether the cache stores the result of an operation. */
const isKept = (ask: Operation.OperationTag): boolean => ask === "GetBlob" || ask === "GetManifest"

describe("Cache", () => {
  it.each(caches)(
    "returns the results of the upstream: $name",
    ({ wrapper }) => laws.same(identity, wrapper, { filled: true, numRuns: 30 })
  )

  it("does not send a hit to the upstream", () =>
    fc.assert(
      fc.asyncProperty(
        History.history(30),
        fc.array(History.step, { minLength: 1, maxLength: 12 }),
        fc.boolean(),
        (history, steps, strict) =>
          Effect.gen(function*() {
            const { base, cache } = yield* make({ strict })
            const ask = (part: ReadonlyArray<History.Step>) => Effect.provideService(History.run(part), Registry, cache)
            yield* ask(history)
            const reads = steps.filter(({ operation, range }) => isKept(operation) && range === undefined)
            const first = yield* ask(reads)
            base.seen.length = 0
            expect(yield* ask(reads)).toEqual(first)
            expect(base.seen).toEqual([])
          }).pipe(Effect.scoped, Effect.runPromise)
      ),
      { numRuns: 40, seed: 20_261_121 }
    ), 60_000)

  /** Lets other fibers run, for a varying time, before it asks and before it answers. */
  const slow = (seed: number): Middleware.Middleware => (next) => {
    let turn = seed
    const turns = Effect.suspend(() => {
      turn = (turn * 31 + 7) % 101
      return Effect.repeatN(Effect.yieldNow(), turn % 5)
    })
    return (operation) => Effect.zipLeft(Effect.zipRight(turns, Effect.suspend(() => next(operation))), turns) as never
  }

  it("is linearizable", () =>
    fc.assert(
      fc.asyncProperty(Linearizability.race, fc.nat(100), fc.nat(100), async (race, one, other) => {
        const cache = Effect.flatMap(memory({ sparseManifests: one % 2 === 0 }), (store) =>
          Cache.middleware({ store: Registry.fromHandler(slow(other)(store.handle)) }))
        const registry = Memory.layer().pipe(Registry.wrap(slow(one)), Registry.wrap(cache))
        const history = await Effect.runPromise(Effect.provide(Linearizability.run(race), registry))
        const checked = Linearizability.check(history)
        if (Either.isLeft(checked)) {
          throw new Error(checked.left.message)
        }
      }),
      { numRuns: 100, seed: 20_261_121 }
    ), 60_000)
})
