import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { anonymous, Caller, key, networkOf } from "../src/Caller.js"

const alice = { name: "alice", claims: { group: "builders" } }

describe("Caller", () => {
  it.effect("is anonymous by default", () =>
    Effect.gen(function*() {
      expect(yield* Caller).toBe(anonymous)
      expect(anonymous).toEqual({ name: undefined, claims: {} })
    }))

  it.effect("is the innermost caller provided, only within its effect", () =>
    Effect.gen(function*() {
      const name = Effect.map(Caller, (caller) => caller.name)
      const nested = Effect.all([name, Effect.provideService(name, Caller, anonymous), name])
      expect(yield* Effect.provideService(nested, Caller, alice)).toEqual(["alice", undefined, "alice"])
      expect(yield* name).toBeUndefined()
    }))

  it.effect("is not stored in an effect that was created for another caller", () =>
    Effect.gen(function*() {
      const layer = Layer.effect(Kept, Effect.succeed({ who: Effect.map(Caller, (caller) => caller.name) }))
      const program = Effect.flatMap(Kept, (kept) => Effect.provideService(kept.who, Caller, alice))
      expect(yield* Effect.provide(program, layer)).toBe("alice")
    }))

  it.each(
    [
      ["the name of a caller", { ...alice, network: "192.0.2.1" }, "name alice"],
      ["the network of an anonymous caller", { ...anonymous, network: "192.0.2.1" }, "network 192.0.2.1"],
      ["one key for anonymous callers whose network is unknown", anonymous, "anonymous"]
    ] as const
  )("limits count by %s", (_, caller, expected) => {
    expect(key(caller)).toBe(expected)
  })

  it.each(
    [
      ["192.0.2.1", "192.0.2.1"],
      ["::ffff:192.0.2.1", "192.0.2.1"],
      ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
      ["2001:db8:1:2::9", "2001:db8:1:2"],
      ["fe80::1%eth0", "fe80:0:0:0"],
      ["::1", "0:0:0:0"],
      ["unix:/run/proxy", "unix:/run/proxy"]
    ] as const
  )("the network of %s is %s", (address, expected) => {
    expect(networkOf(address)).toBe(expected)
  })
})

class Kept extends Effect.Tag("Kept")<Kept, { readonly who: Effect.Effect<string | undefined> }>() {}
