/** Callers with different rights behind one cache: each gets only what the upstream has granted to that caller. */
import { Caller } from "@effect-oci/core"
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect } from "effect"
import * as shared from "../src/internal/cache/shared.js"
import { asCaller, broken } from "./asCaller.js"
import { memory } from "./cache.js"
import * as callers from "./callers.js"

/** The caller of an operation, for an upstream behind a cache that does not see callers. */
class Real extends Context.Reference<Real>()("test/Real", {
  defaultValue: (): readonly [Caller.Identity, Caller.Presentation | undefined] => [Caller.anonymous, undefined]
}) {}

/** Lets a cache see all callers as one, and the upstream as they are. */
const blind = (wrapper: callers.Wrapper): callers.Wrapper =>
  Effect.map(wrapper, (middleware) => (next) => {
    const cache = middleware((operation) =>
      Effect.flatMap(Real, ([caller, presented]) =>
        next(operation).pipe(
          Effect.provideService(Caller.Caller, caller),
          Effect.provideService(Caller.Presented, presented)
        ))
    )
    return (operation) =>
      Effect.flatMap(Effect.all([Caller.Caller, Caller.Presented]), (real) =>
        cache(operation).pipe(
          Effect.provideService(Real, real),
          Effect.provideService(Caller.Caller, Caller.anonymous),
          Effect.provideService(Caller.Presented, undefined)
        ))
  })

describe("AsCaller, in random histories of callers,", () => {
  const { timeToLive } = callers

  it(
    "serves nothing that the upstream did not grant to the caller within the time to live, and all that it grants",
    async () => {
      expect(await broken(asCaller(timeToLive), { timeToLive, isComplete: true }, 100)).toBeUndefined()
    },
    60_000
  )

  it("serves what the upstream grants now, with a time to live of 0", async () => {
    expect(await broken(asCaller(0), { timeToLive: 0, isComplete: true }, 30)).toBeUndefined()
  }, 60_000)

  const leaks: ReadonlyArray<readonly [name: string, wrapper: callers.Wrapper]> = [
    ["a cache alone", Effect.flatMap(memory({ sparseManifests: true }), (store) => shared.make({ store }))],
    ["an AsCaller that takes all callers for one", blind(asCaller(timeToLive))],
    ["an AsCaller whose decisions are valid for longer", asCaller(timeToLive * 10)]
  ]
  it.each(leaks)("finds the leak of %s", async (_, wrapper) => {
    const found = await broken(wrapper, { timeToLive, isComplete: false }, 1000)
    expect(found).toMatch(/receives .*, but the upstream granted/)
  }, 60_000)
})
