/** A cache serves every caller the same content, so it must not store content that only one caller may read. */
import { Body, Caller, Handler, Middleware, ReferenceSet, Registry, RegistryError } from "@effect-oci/core"
import { Memory } from "@effect-oci/store"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Exit, Layer, Redacted } from "effect"
import { Authorize, Cache, Filter, Limit, Logging, Route, Sub, Union } from "../src/index.js"
import { image, make, memory, push, read, repository, sum, tag, text } from "./cache.js"

const one = image(text("one"))

const as = (name: string | undefined) => Effect.provideService(Caller.Caller, { name, claims: {} })

const onlyAlice = Authorize.wrap({ allow: ({ caller }) => Effect.succeed(caller.name === "alice") })
const ownOnly = Filter.wrap({ select: ({ name }) => name === "alice" ? ReferenceSet.all : ReferenceSet.none })
const cached = Cache.wrap({ store: Memory.layer({ sparseManifests: true }) })

/** A wrapper of another package that looks at the caller without marking its handler. */
const unmarked: Middleware.Middleware = (next) => (operation) =>
  Effect.flatMap(
    Caller.Caller,
    ({ name }) => name === "alice" ? next(operation) : Effect.fail(new RegistryError.NameUnknown({}))
  )

const marked: Middleware.Middleware = (next) => Handler.dependingOnCaller(unmarked(next))

const behind = Memory.layer()

const orders: ReadonlyArray<readonly [name: string, registry: Layer.Layer<Registry>]> = [
  ["Authorize", behind.pipe(onlyAlice, cached)],
  ["Filter by callers", behind.pipe(ownOnly, cached)],
  ["another wrapper that is marked", behind.pipe(Registry.wrap(marked), cached)],
  ["Authorize inside a wrapper", behind.pipe(onlyAlice, Logging.wrap(), cached)],
  [
    "Filter by callers inside several wrappers",
    behind.pipe(ownOnly, Sub.wrap({ prefix: repository }), Limit.wrap({ concurrency: 1 }), cached)
  ],
  [
    "Filter by callers inside composed wrappers",
    behind.pipe(
      Registry.wrap(
        Middleware.compose(
          Filter.middleware({ select: () => ReferenceSet.all }),
          (next) => (operation) => next(operation)
        )
      ),
      cached
    )
  ],
  ["a union with such a member", behind.pipe(Union.wrap([{ name: "mine", registry: behind.pipe(onlyAlice) }]), cached)],
  [
    "a route to such a registry",
    Route.layer([{ name: "mine", select: ReferenceSet.all, registry: behind.pipe(onlyAlice) }]).pipe(cached)
  ],
  [
    "Authorize inside an inner cache's wrapper",
    behind.pipe(
      cached,
      onlyAlice,
      Authorize.wrap({
        byCaller: false,
        allow: () => Effect.succeed(true)
      }),
      cached
    )
  ]
]

describe("Cache and callers", () => {
  it.scoped.each(orders)("fails to wrap %s", ([, registry]) =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(Layer.build(registry))
      const message = Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "built"
      expect(message).toContain("Cache cannot wrap a registry whose answers depend on the caller")
      expect(message).toContain("upstream.pipe(Cache.wrap({ store }), Authorize.wrap({ allow }))")
    }))

  it.scoped("wraps wrappers that answer all callers the same", () =>
    Layer.build(behind.pipe(
      Filter.wrap({ select: ReferenceSet.all }),
      Authorize.wrap({ byCaller: false, allow: ({ action }) => Effect.succeed(action === "pull") }),
      Limit.wrap({ by: "caller", concurrency: 1 }),
      Logging.wrap(),
      cached
    )))

  it.scoped("stores content once for all permitted callers inside Authorize", () =>
    Effect.gen(function*() {
      const world = yield* make()
      yield* push(world, one)
      const registry = Registry.fromHandler(
        Authorize.middleware({ allow: ({ caller }) => Effect.succeed(caller.name !== "mallory") })(world.cache.handle)
      )
      const pull = Effect.zipRight(registry.getManifest(repository, tag), read(registry, one.blob))
      expect(yield* pull.pipe(as("alice"))).toBe(sum(one.content))
      const requests = world.base.seen.length
      expect(yield* pull.pipe(as("bob"))).toBe(sum(one.content))
      expect(world.base.seen.length).toBe(requests)
      expect((yield* Effect.flip(pull.pipe(as("mallory"))))._tag).toBe("OciDenied")
    }))

  it.scoped("reads from the upstream without the credentials that the caller presented", () =>
    Effect.gen(function*() {
      const base = yield* memory()
      const presented: Array<Caller.Presentation | undefined> = []
      const middleware = yield* Cache.middleware({ store: yield* memory({ sparseManifests: true }) })
      const cache = Registry.fromHandler(middleware((operation) =>
        Effect.flatMap(Caller.Presented, (found) => {
          presented.push(found)
          return base.handle(operation)
        })
      ))
      const bearer = Effect.provideService(Caller.Presented, { _tag: "Bearer", token: Redacted.make("CANARY") })
      yield* Effect.exit(bearer(cache.getManifest(repository, tag)))
      expect(presented).toEqual([undefined])
    }))

  it.scoped("reads from the upstream as the anonymous caller, so that private content of one caller is not stored for others", () =>
    Effect.gen(function*() {
      const base = yield* memory()
      yield* base.pushBlob(repository, one.blob, Body.bytes(one.content))
      yield* base.pushManifest(repository, { mediaType: one.mediaType, bytes: one.bytes, tags: [tag] })
      const middleware = yield* Cache.middleware({ store: yield* memory({ sparseManifests: true }) })
      const cache = Registry.fromHandler(middleware(unmarked(base.handle)))
      for (const name of ["alice", "bob", undefined]) {
        expect((yield* Effect.flip(cache.getManifest(repository, tag).pipe(as(name))))._tag).toBe("OciNameUnknown")
        expect((yield* Effect.flip(Effect.scoped(cache.getBlob(repository, one.blob.digest)).pipe(as(name))))._tag)
          .toBe("OciNameUnknown")
      }
      expect(yield* cache.deleteTag(repository, tag).pipe(as("alice"))).toMatchObject({ _tag: "Done" })
    }))
})

describe("Authorize without callers", () => {
  it.scoped("calls its policy with the anonymous caller", () =>
    Effect.gen(function*() {
      const names: Array<string | undefined> = []
      const registry = Registry.fromHandler(
        Authorize.middleware({
          byCaller: false,
          allow: ({ caller }) =>
            Effect.sync(() => {
              names.push(caller.name)
              return true
            })
        })((yield* memory()).handle)
      )
      yield* Effect.exit(registry.getManifest(repository, tag).pipe(as("alice")))
      expect(names).toEqual([undefined])
    }))
})
