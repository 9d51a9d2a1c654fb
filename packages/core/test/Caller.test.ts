import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { anonymous, Caller, fingerprint, key, networkOf, Presented } from "../src/Caller.js"
import type { Identity, Presentation } from "../src/Caller.js"

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

  describe("the fingerprint", () => {
    const of = (caller: Identity, presented?: Presentation) =>
      fingerprint.pipe(Effect.provideService(Caller, caller), Effect.provideService(Presented, presented))
    const basic = (username: string, password: string): Presentation => ({
      _tag: "Basic",
      username,
      password: Redacted.make(password)
    })

    it.effect("is equal for equal callers, whatever the order of their claims", () =>
      Effect.gen(function*() {
        expect(yield* of({ name: "a", claims: { x: 1, y: [{ p: 1, q: null }] } }))
          .toBe(yield* of({ claims: { y: [{ q: null, p: 1 }], x: 1 }, name: "a", network: undefined }))
        expect(yield* of(alice, basic("a", "b"))).toBe(yield* of({ ...alice }, basic("a", "b")))
      }))

    it.effect("differs with each part of a caller", () =>
      Effect.gen(function*() {
        const all = yield* Effect.all([
          of(anonymous),
          of(alice),
          of({ ...alice, network: "192.0.2.1" }),
          of({ ...alice, claims: {} }),
          of({ ...alice, claims: { group: ["builders"] } }),
          of({ name: undefined, claims: alice.claims }),
          of(alice, basic("a", "b")),
          of(alice, basic("a", "c")),
          of(alice, basic("a,b", "")),
          of(alice, { _tag: "Bearer", token: Redacted.make("b") }),
          of(alice, { _tag: "Bearer", token: Redacted.make("c") })
        ])
        expect(new Set(all).size).toBe(all.length)
      }))

    it.effect("contains no secret", () =>
      Effect.gen(function*() {
        expect(yield* of(alice, basic("a", "CANARY"))).toMatch(/^sha256:[0-9a-f]{64}$/)
      }))

    it.effect.each<{ readonly name: string; readonly claim: unknown }>([
      { name: "a function", claim: () => 1 },
      { name: "an instance of a class", claim: new Map([["a", 1]]) },
      { name: "NaN", claim: [Number.NaN] },
      { name: "a bigint", claim: { deep: 1n } }
    ])("is undefined if a claim is $name", ({ claim }) =>
      Effect.gen(function*() {
        expect(yield* of({ name: "a", claims: { claim } })).toBeUndefined()
      }))
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
