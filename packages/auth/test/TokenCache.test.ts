import { AuthScope } from "@effect-oci/core"
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Redacted, TestClock } from "effect"
import * as fc from "fast-check"
import * as Credential from "../src/Credential.js"
import * as TokenCache from "../src/TokenCache.js"
import type { Token } from "../src/TokenExchange.js"

const keyOf = (fields: Partial<TokenCache.Key> = {}) =>
  new TokenCache.Key({
    origin: "https://a.example",
    realm: "https://a.example/token",
    service: "a",
    credential: Credential.basic("alice", "secret"),
    ...fields
  })

const tokenOf = (scope: string, expiresAt = 60_000): Token => ({
  value: Redacted.make(scope),
  scope: AuthScope.parse(scope),
  expiresAt,
  refreshToken: undefined
})

const pull = AuthScope.parse("repository:a:pull")

describe("TokenCache.make", () => {
  it.effect("returns a token until 5 seconds before it expires", () =>
    Effect.gen(function*() {
      const cache = yield* TokenCache.make
      const token = tokenOf("repository:a:pull,push")
      expect(cache.find(keyOf(), pull)).toBeUndefined()
      cache.put(keyOf(), token)
      yield* TestClock.adjust("54999 millis")
      expect(cache.find(keyOf(), pull)).toBe(token)
      yield* TestClock.adjust("1 millis")
      expect(cache.find(keyOf(), pull)).toBeUndefined()
    }))

  it.effect("removes only the token that was refused", () =>
    Effect.gen(function*() {
      const cache = yield* TokenCache.make
      const [one, other] = [tokenOf("repository:a:pull"), tokenOf("repository:a:*")]
      cache.put(keyOf(), one)
      cache.put(keyOf(), other)
      cache.drop(keyOf(), other)
      expect(cache.find(keyOf(), pull)).toBe(one)
      cache.drop(keyOf(), one)
      cache.drop(keyOf({ origin: "https://never.example" }), one)
      expect(cache.find(keyOf(), pull)).toBeUndefined()
    }))

  it.effect("keeps a limited number of tokens", () =>
    Effect.gen(function*() {
      const cache = yield* TokenCache.make
      for (let i = 0; i <= 100; i++) cache.put(keyOf(), tokenOf(`repository:${i}:pull`))
      expect(cache.find(keyOf(), AuthScope.parse("repository:0:pull"))).toBeUndefined()
      expect(cache.find(keyOf(), AuthScope.parse("repository:1:pull"))).toBeDefined()
      for (let i = 0; i < 1000; i++) cache.put(keyOf({ service: String(i) }), tokenOf("repository:a:pull"))
      expect(cache.find(keyOf(), AuthScope.parse("repository:1:pull"))).toBeUndefined()
      expect(cache.find(keyOf({ service: "999" }), pull)).toBeDefined()
    }))

  const key = fc.record({
    origin: fc.constantFrom("https://a.example", "https://b.example", "http://a.example"),
    realm: fc.constantFrom("https://a.example/token", "https://a.example/token a", "https://b.example/token"),
    service: fc.constantFrom(undefined, "", "a", "b", "a b"),
    credential: fc.constantFrom<Array<Credential.Credential>>(
      Credential.anonymous,
      Credential.basic("alice", "secret"),
      Credential.basic("alice", "other"),
      Credential.basic("bob", "secret"),
      Credential.identityToken("secret")
    )
  }).map((fields) => new TokenCache.Key(fields))
  const scope = fc.subarray(["repository:a:pull", "repository:a:push", "repository:a:*", "repository:b:pull", "opaque"])
    .map((words) => words.join(" "))

  it("returns a token only for an equal key and for a scope that the token allows", async () => {
    const run = fc.asyncProperty(
      fc.array(fc.tuple(key, scope), { maxLength: 12 }),
      key,
      scope,
      async (issued, requestKey, requestedScope) => {
        const cache = await Effect.runPromise(TokenCache.make)
        const tokens = issued.map(([key, scope]) => ({ key, token: tokenOf(scope, Number.POSITIVE_INFINITY) }))
        for (const { key, token } of tokens) cache.put(key, token)
        const required = AuthScope.parse(requestedScope)
        const matching = tokens.filter(({ key, token }) =>
          JSON.stringify([key.origin, key.realm, key.service]) ===
            JSON.stringify([requestKey.origin, requestKey.realm, requestKey.service]) &&
          secretOf(key.credential) === secretOf(requestKey.credential) && AuthScope.contains(token.scope, required)
        )
        const found = cache.find(requestKey, required)
        expect(found === undefined).toBe(matching.length === 0)
        expect(found === undefined || matching.some(({ token }) => token === found)).toBe(true)
      }
    )
    await fc.assert(run)
  })

  const secretOf = (credential: Credential.Credential): string => {
    switch (credential._tag) {
      case "Anonymous":
        return ""
      case "Basic":
        return `${credential.username}:${Redacted.value(credential.password)}`
      default:
        return `${credential._tag} ${Redacted.value(credential.token)}`
    }
  }
})

describe("TokenCache.acquire", () => {
  it.effect("runs one exchange for concurrent callers of the same token, and caches the token", () =>
    Effect.gen(function*() {
      const cache = yield* TokenCache.make
      let count = 0
      const exchange = Effect.delay(Effect.sync(() => tokenOf(`repository:a:pull ${count++}`)), "1 second")
      const texts = ["repository:a:pull repository:b:pull", "repository:b:pull repository:a:pull"]
      const all = yield* Effect.forEach(
        Array.from({ length: 100 }),
        (_, index) => Effect.fork(cache.acquire(keyOf(), AuthScope.parse(texts[index % 2]!), exchange))
      )
      yield* TestClock.adjust("1 second")
      expect(new Set(yield* Fiber.join(Fiber.all(all))).size).toBe(1)
      expect(count).toBe(1)
      expect(cache.find(keyOf(), pull)).toBeDefined()
      const other = yield* Effect.fork(cache.acquire(keyOf(), pull, exchange))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(other)
      expect(count).toBe(2)
    }))

  it.effect("fails for all waiting callers, and runs the exchange again for the next caller", () =>
    Effect.gen(function*() {
      const cache = yield* TokenCache.make
      let count = 0
      const exchange = Effect.delay(Effect.suspend(() => Effect.fail(`no ${count++}`)), "1 second")
      for (const expected of ["no 0", "no 1"]) {
        const both = yield* Effect.fork(
          Effect.all([1, 2].map(() => Effect.flip(cache.acquire(keyOf(), pull, exchange))), { concurrency: 2 })
        )
        yield* TestClock.adjust("1 second")
        expect(yield* Fiber.join(both)).toEqual([expected, expected])
      }
      expect(cache.find(keyOf(), pull)).toBeUndefined()
    }))

  it.effect("continues for the other callers if one caller is interrupted", () =>
    Effect.gen(function*() {
      const cache = yield* TokenCache.make
      const exchange = Effect.delay(Effect.sync(() => tokenOf("repository:a:pull")), "1 second")
      const [first, second] = yield* Effect.all([
        Effect.fork(cache.acquire(keyOf(), pull, exchange)),
        Effect.fork(cache.acquire(keyOf(), pull, Effect.die("not this one")))
      ])
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(first)
      yield* TestClock.adjust("1 second")
      expect(String((yield* Fiber.join(second)).scope)).toBe("repository:a:pull")
    }))

  it.effect("interrupts the exchange if all callers are interrupted", () =>
    Effect.gen(function*() {
      const cache = yield* TokenCache.make
      const interrupted = yield* Deferred.make<void>()
      const never = Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, void 0))
      const all = yield* Effect.forEach([1, 2], () => Effect.fork(cache.acquire(keyOf(), pull, never)))
      yield* Effect.yieldNow()
      yield* Fiber.interruptAll(all)
      yield* Deferred.await(interrupted)
      const token = tokenOf("repository:a:pull")
      expect(yield* cache.acquire(keyOf(), pull, Effect.succeed(token))).toBe(token)
    }))
})
