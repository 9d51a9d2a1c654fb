import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { anonymous, Caller } from "../src/Caller.js"

const alice = { name: "alice", claims: { group: "builders" } }

describe("Caller", () => {
  it.effect("is nobody unless somebody says who it is", () =>
    Effect.gen(function*() {
      expect(yield* Caller).toBe(anonymous)
      expect(anonymous).toEqual({ name: undefined, claims: {} })
    }))

  it.effect("is who was said last, and only there", () =>
    Effect.gen(function*() {
      const name = Effect.map(Caller, (caller) => caller.name)
      const nested = Effect.all([name, Effect.provideService(name, Caller, anonymous), name])
      expect(yield* Effect.provideService(nested, Caller, alice)).toEqual(["alice", undefined, "alice"])
      expect(yield* name).toBeUndefined()
    }))

  it.effect("is not kept by an effect that was made for another", () =>
    Effect.gen(function*() {
      const layer = Layer.effect(Kept, Effect.succeed({ who: Effect.map(Caller, (caller) => caller.name) }))
      const program = Effect.flatMap(Kept, (kept) => Effect.provideService(kept.who, Caller, alice))
      expect(yield* Effect.provide(program, layer)).toBe("alice")
    }))
})

class Kept extends Effect.Tag("Kept")<Kept, { readonly who: Effect.Effect<string | undefined> }>() {}
