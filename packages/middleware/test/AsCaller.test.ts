import { Body, Caller, Handler, Operation, Registry, RegistryError } from "@effect-oci/core"
import type { Middleware } from "@effect-oci/core"
import { Memory } from "@effect-oci/store"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Fiber, Layer, Redacted, TestClock } from "effect"
import { AsCaller, Authorize, Cache } from "../src/index.js"
import { during, image, memory, other, push, read, repository, side, sum, tag, text } from "./cache.js"
import type { World } from "./cache.js"

const one = image(text("one"))
const two = image(text("two"), "another")

const as = (name: string | undefined, claims: Caller.Identity["claims"] = {}) =>
  Effect.provideService(Caller.Caller, { name, claims })

interface Options extends Omit<AsCaller.Options, "store"> {
  readonly allow?: (name: string | undefined, operation: Operation.Operation) => boolean
  readonly round?: Middleware.Middleware
}

/** Puts an AsCaller before a registry that allows callers something. Default: everything to callers with a name. */
const make = ({ allow = (name) => name !== undefined, round = (next) => next, ...options }: Options = {}) =>
  Effect.gen(function*() {
    const behind = yield* memory()
    const kept = yield* memory({ sparseManifests: true })
    const guarded: Handler.Handler = (operation) =>
      Effect.flatMap(Caller.Caller, ({ name }) =>
        allow(name, operation)
          ? behind.handle(operation)
          : Effect.fail(new RegistryError.Denied({ ...Operation.errorFields(operation), reason: `not for ${name}` })))
    const base = side(round(Handler.dependingOnCaller(guarded)))
    const store = side(kept.handle)
    const middleware = yield* AsCaller.middleware({ ...options, store: store.registry })
    const world: World = { behind, base, store, cache: Registry.fromHandler(middleware(base.registry.handle)) }
    return world
  })

const pull = ({ cache }: World) => Effect.zipRight(cache.getManifest(repository, tag), read(cache, one.blob))

describe("AsCaller", () => {
  it.scoped("stores content once for all callers, and asks the upstream for each caller", () =>
    Effect.gen(function*() {
      const world = yield* make()
      yield* push(world, one)
      expect(yield* during(world.base, as("alice")(pull(world))))
        .toEqual(["ResolveManifest", "GetManifest", "ResolveBlob", "GetBlob"])
      expect(yield* during(world.base, as("bob")(pull(world)))).toEqual(["ResolveManifest", "ResolveBlob"])
      expect(yield* during(world.base, as("bob")(pull(world)))).toEqual([])
      expect((yield* Effect.flip(as(undefined)(pull(world)))).message).toContain("not for undefined")
    }))

  it.scoped("returns the upstream's error for the operation, and keeps no refusal", () =>
    Effect.gen(function*() {
      const allowed = new Set<string>()
      const world = yield* make({ allow: (name) => allowed.has(name ?? "") })
      yield* push(world, one)
      const refused = yield* Effect.flip(as("alice")(read(world.cache, one.blob)))
      expect(refused).toMatchObject({ _tag: "OciDenied", operation: "GetBlob", reason: "not for alice" })
      allowed.add("alice")
      expect(yield* as("alice")(read(world.cache, one.blob))).toBe(sum(one.content))
      const missing = yield* Effect.flip(as("alice")(read(world.cache, two.blob)))
      expect(missing).toEqual(yield* Effect.flip(as("alice")(read(world.base.registry, two.blob))))
    }))

  it.scoped("serves a caller who loses a right until the time to live ends", () =>
    Effect.gen(function*() {
      const allowed = new Set(["alice"])
      const world = yield* make({ allow: (name) => allowed.has(name ?? ""), timeToLive: "10 seconds" })
      yield* push(world, one)
      yield* as("alice")(pull(world))
      allowed.clear()
      yield* TestClock.adjust("9999 millis")
      expect(yield* as("alice")(pull(world))).toBe(sum(one.content))
      yield* TestClock.adjust("1 millis")
      expect((yield* Effect.flip(as("alice")(pull(world))))._tag).toBe("OciDenied")
    }))

  it.scoped.each([
    { part: "the claims", bob: { name: "alice", claims: { group: "b" } }, presented: undefined },
    { part: "the network", bob: { name: "alice", claims: { group: "a" }, network: "192.0.2.1" }, presented: undefined },
    {
      part: "the presented credentials",
      bob: { name: "alice", claims: { group: "a" } },
      presented: { _tag: "Bearer" as const, token: Redacted.make("b") }
    }
  ])("asks again for a caller who differs in $part", ({ bob, presented }) =>
    Effect.gen(function*() {
      const world = yield* make()
      yield* push(world, one)
      const resolve = world.cache.resolveBlob(repository, one.blob.digest)
      const alice = as("alice", { group: "a" })(resolve)
      expect(yield* during(world.base, Effect.zipRight(alice, alice))).toEqual(["ResolveBlob"])
      const another = resolve.pipe(
        Effect.provideService(Caller.Caller, bob),
        Effect.provideService(Caller.Presented, presented)
      )
      expect(yield* during(world.base, another)).toEqual(["ResolveBlob"])
    }))

  it.scoped("asks about each operation of a caller whose claims cannot be compared", () =>
    Effect.gen(function*() {
      const world = yield* make()
      yield* push(world, one)
      const resolve = as("alice", { check: () => true })(world.cache.resolveBlob(repository, one.blob.digest))
      expect(yield* during(world.base, Effect.zipRight(resolve, resolve))).toEqual(["ResolveBlob", "ResolveBlob"])
    }))

  it.scoped("does not take a right in one repository for a right in another", () =>
    Effect.gen(function*() {
      const world = yield* make({
        allow: (_, operation) => "repository" in operation && operation.repository === repository
      })
      yield* push(world, one)
      yield* push(world, one, { to: other })
      expect(yield* as("alice")(read(world.cache, one.blob))).toBe(sum(one.content))
      expect((yield* Effect.flip(as("alice")(read(world.cache, one.blob, other))))._tag).toBe("OciDenied")
    }))

  it.scoped("serves nothing while the upstream cannot decide, or only decisions that may be stale", () =>
    Effect.gen(function*() {
      let isDown = false
      const round: Middleware.Middleware = (next) => (operation) =>
        isDown ? Effect.fail(new RegistryError.Unavailable(Operation.errorFields(operation))) : next(operation)
      for (const staleIfError of ["0 seconds", "1 minute"] as const) {
        isDown = false
        const world = yield* make({ round, timeToLive: "10 seconds", staleIfError })
        yield* push(world, one)
        yield* as("alice")(pull(world))
        isDown = true
        yield* TestClock.adjust("10 seconds")
        const late = yield* Effect.either(as("alice")(pull(world)))
        expect(late._tag).toBe(staleIfError === "0 seconds" ? "Left" : "Right")
        expect(yield* Effect.flip(as("bob")(read(world.cache, one.blob))))
          .toMatchObject({ _tag: "OciUnavailable", operation: "GetBlob" })
        yield* TestClock.adjust("1 minute")
        expect((yield* Effect.flip(as("alice")(pull(world))))._tag).toBe("OciUnavailable")
      }
    }))

  it.scoped("ends a stale decision when the upstream refuses", () =>
    Effect.gen(function*() {
      let error: RegistryError.RegistryError | undefined
      const round: Middleware.Middleware = (next) => (operation) =>
        error === undefined ? next(operation) : Effect.fail(error)
      const world = yield* make({ round, timeToLive: "1 second", staleIfError: "1 hour" })
      yield* push(world, one)
      const resolve = as("alice")(world.cache.resolveBlob(repository, one.blob.digest))
      yield* resolve
      yield* TestClock.adjust("1 second")
      error = new RegistryError.Denied({})
      expect((yield* Effect.flip(resolve))._tag).toBe("OciDenied")
      error = new RegistryError.Unavailable({})
      expect((yield* Effect.flip(resolve))._tag).toBe("OciUnavailable")
    }))

  it.scoped("reads for a caller from the upstream if the shared fetch fails for another caller", () =>
    Effect.gen(function*() {
      const started = yield* Deferred.make<void>()
      const end = yield* Deferred.make<void>()
      // The right of alice ends between the check and the fetch.
      const round: Middleware.Middleware = (next) => (operation) =>
        Effect.flatMap(Caller.Caller, ({ name }) =>
          operation._tag === "GetManifest" && name === "alice"
            ? Effect.zipRight(
              Deferred.succeed(started, undefined),
              Effect.zipRight(Deferred.await(end), Effect.fail(new RegistryError.Denied({ reason: "alice" })))
            ) as never
            : next(operation) as never)
      const world = yield* make({ round })
      yield* push(world, one)
      const get = world.cache.getManifest(repository, one.descriptor.digest)
      const alice = yield* Effect.fork(as("alice")(get))
      yield* Deferred.await(started)
      const bob = yield* Effect.fork(as("bob")(get))
      yield* Effect.yieldNow()
      yield* Deferred.succeed(end, undefined)
      expect((yield* Fiber.join(bob)).bytes).toEqual(one.bytes)
      expect((yield* Effect.flip(Fiber.join(alice))).reason).toBe("alice")
    }))

  it.scoped("serves its own change to a caller at once", () =>
    Effect.gen(function*() {
      const world = yield* make()
      yield* push(world, one)
      const alice = as("alice")
      yield* alice(world.cache.resolveManifest(repository, tag))
      yield* alice(world.cache.pushBlob(repository, two.blob, Body.bytes(two.content)))
      const { bytes, mediaType } = two
      yield* alice(world.cache.pushManifest(repository, { mediaType, bytes, tags: [tag] }))
      expect((yield* alice(world.cache.resolveManifest(repository, tag))).digest).toBe(two.descriptor.digest)
      yield* alice(world.cache.deleteManifest(repository, two.descriptor.digest))
      expect((yield* Effect.flip(alice(world.cache.getManifest(repository, two.descriptor.digest))))._tag)
        .toBe("OciManifestUnknown")
    }))

  it.scoped("keeps no decision that was made before a change", () =>
    Effect.gen(function*() {
      const [asked, answer] = yield* Effect.all([Deferred.make<void>(), Deferred.make<void>()])
      let isFirst = true
      const round: Middleware.Middleware = (next) => (operation) => {
        if (operation._tag !== "ResolveManifest" || !isFirst) return next(operation)
        isFirst = false
        // The answer was made before the change, and arrives after it.
        return Effect.flatMap(Effect.exit(next(operation) as Effect.Effect<never>), (old) =>
          Deferred.succeed(asked, undefined).pipe(
            Effect.zipRight(Deferred.await(answer)),
            Effect.zipRight(old)
          )) as never
      }
      const world = yield* make({ round })
      yield* push(world, one)
      yield* world.behind.pushBlob(repository, two.blob, Body.bytes(two.content))
      const resolve = as("alice")(world.cache.resolveManifest(repository, tag))
      const early = yield* Effect.fork(resolve)
      yield* Deferred.await(asked)
      yield* as("bob")(world.cache.pushManifest(repository, { ...two, tags: [tag] }))
      yield* Deferred.succeed(answer, undefined)
      yield* Fiber.join(early)
      expect((yield* resolve).digest).toBe(two.descriptor.digest)
    }))

  it.scoped("wraps what Cache refuses, and is refused by Cache itself", () =>
    Effect.gen(function*() {
      const store = () => Memory.layer({ sparseManifests: true })
      const upstream = Memory.layer().pipe(
        Authorize.wrap({ allow: ({ caller }) => Effect.succeed(caller.name === "alice") }),
        AsCaller.wrap({ store: store() })
      )
      const registry = yield* Effect.provide(Registry, upstream)
      yield* as("alice")(registry.pushBlob(repository, one.blob, Body.bytes(one.content)))
      expect(yield* as("alice")(read(registry, one.blob))).toBe(sum(one.content))
      expect((yield* Effect.flip(as("bob")(read(registry, one.blob))))._tag).toBe("OciDenied")
      const twice = yield* Effect.sandbox(Layer.build(upstream.pipe(Cache.wrap({ store: store() })))).pipe(Effect.flip)
      expect(Cause.pretty(twice)).toContain("use AsCaller in place of Cache")
      expect(AsCaller.layer({ store: registry })).not.toBe(AsCaller.layer({ store: registry }))
    }))
})
