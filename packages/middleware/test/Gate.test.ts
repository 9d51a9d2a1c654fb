import {
  Caller,
  Handler,
  Operation,
  ReferenceSet,
  Registry,
  RegistryError,
  RepositoryName,
  Tag
} from "@effect-oci/core"
import type { Digest } from "@effect-oci/core"
import { Memory } from "@effect-oci/store"
import * as NodeTemporary from "@effect-oci/testing/NodeTemporary"
import * as KeyValueStore from "@effect/platform/KeyValueStore"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, Layer, Schedule, TestClock } from "effect"
import * as fc from "fast-check"
import { Cache, Gate } from "../src/index.js"
import * as laws from "./laws.js"
import { index, inDirectory, inMemory, latest, push, repository, v1 } from "./policies.js"

const one = index("one")
const two = index("two")

/** Puts a gate around the registry in the context. */
const gate = (options: Gate.Options) =>
  Effect.flatMap(
    Registry,
    ({ handle }) => Effect.map(Gate.middleware(options), (gate) => Registry.fromHandler(gate(handle)))
  )

/** A policy that records the digests that it is called for. */
const recording = (decide: (digest: Digest.Digest) => ReturnType<Gate.Options["decide"]>) => {
  const asked: Array<Digest.Digest> = []
  return {
    asked,
    decide: ({ manifest: { descriptor } }: Gate.Request) =>
      Effect.suspend(() => {
        asked.push(descriptor.digest)
        return decide(descriptor.digest)
      })
  }
}

const named = (name: string | undefined) => Effect.provideService(Caller.Caller, { name, claims: {} })

describe("a decision", () => {
  it.scoped("is made once for a digest, by tag, by digest and by both kinds of reads", () =>
    inMemory(Effect.gen(function*() {
      yield* push(one, v1, latest)
      const { asked, decide } = recording(() => Effect.succeed(true))
      const registry = yield* gate({ decide })
      expect((yield* registry.resolveManifest(repository, v1)).digest).toBe(one.digest)
      expect((yield* registry.getManifest(repository, latest)).bytes).toEqual(one.bytes)
      yield* registry.getManifest(repository, one.digest)
      expect(asked).toEqual([one.digest])
    })))

  it.scoped("is shared by concurrent callers, and continues when they disconnect", () =>
    inMemory(Effect.gen(function*() {
      yield* push(one, v1)
      const scanned = yield* Deferred.make<boolean>()
      const { asked, decide } = recording(() => Deferred.await(scanned))
      const registry = yield* gate({ decide })
      const readers = yield* Effect.forEach(
        [v1, one.digest, v1, one.digest],
        (reference) => Effect.fork(registry.getManifest(repository, reference))
      )
      yield* Effect.repeatN(Effect.yieldNow(), 20)
      yield* Effect.forEach(readers.slice(0, 3), Fiber.interrupt)
      yield* Deferred.succeed(scanned, true)
      expect((yield* Fiber.join(readers[3]!)).descriptor.digest).toBe(one.digest)
      expect(asked).toEqual([one.digest])
    })))

  it.scoped("denies with its reason", () =>
    inMemory(Effect.gen(function*() {
      yield* push(one, v1)
      const registry = yield* gate({
        decide: () => Effect.succeed({ allowed: false, reason: "it has 3 critical vulnerabilities" })
      })
      for (const reference of [v1, one.digest]) {
        yield* Effect.flip(registry.getManifest(repository, reference))
        const error = yield* Effect.flip(registry.resolveManifest(repository, reference))
        expect(error._tag).toBe("OciDenied")
        expect(error.message).toContain("it has 3 critical vulnerabilities")
      }
    })))

  it.scoped("that takes too long lets its callers retry, and is found later", () =>
    inMemory(Effect.gen(function*() {
      yield* push(one, v1)
      const { asked, decide } = recording(() => Effect.delay(Effect.succeed(true), "40 seconds"))
      const registry = yield* gate({ decide })
      const reader = yield* Effect.fork(Effect.flip(registry.getManifest(repository, v1)))
      yield* TestClock.adjust("30 seconds")
      const error = yield* Fiber.join(reader)
      expect(error).toMatchObject({ _tag: "OciTooManyRequests", retryAfter: 5000, reference: "v1" })
      expect(RegistryError.isTransient(error)).toBe(true)
      const retried = yield* Effect.fork(
        Effect.retry(registry.getManifest(repository, v1), Schedule.spaced("5 seconds"))
      )
      yield* TestClock.adjust("20 seconds")
      yield* Fiber.join(retried)
      expect(asked).toHaveLength(1)
    })))

  it.scoped("that fails is not remembered", () =>
    inMemory(Effect.gen(function*() {
      yield* push(one, v1)
      let fails = true
      const broken = new RegistryError.Unavailable({ reason: "the scanner restarts" })
      const { decide } = recording(() => fails ? Effect.fail(broken) : Effect.succeed(true))
      const registry = yield* gate({ decide })
      const error = yield* Effect.flip(registry.getManifest(repository, v1))
      expect(error.message).toBe("GetManifest team/app:v1: the scanner restarts")
      fails = false
      yield* registry.getManifest(repository, v1)
    })))

  it.scoped("counts for its time to live: denials for an hour, permits for ever", () =>
    inMemory(Effect.gen(function*() {
      yield* push(one, v1)
      yield* push(two, latest)
      let isFixed = false
      const { asked, decide } = recording((digest) => Effect.succeed(digest === one.digest || isFixed))
      const registry = yield* gate({ decide })
      yield* registry.getManifest(repository, v1)
      yield* Effect.flip(registry.getManifest(repository, latest))
      isFixed = true
      yield* TestClock.adjust("59 minutes")
      yield* Effect.flip(registry.getManifest(repository, latest))
      yield* TestClock.adjust("1 minute")
      yield* registry.getManifest(repository, latest)
      yield* TestClock.adjust("3650 days")
      yield* registry.getManifest(repository, v1)
      expect(asked).toEqual([one.digest, two.digest, two.digest])
    })))

  it.scoped("is not made for other repositories than those of `select`", () =>
    inMemory(Effect.gen(function*() {
      yield* push(one, v1)
      const registry = yield* gate({ decide: () => Effect.succeed(false), select: ReferenceSet.prefix("other/") })
      yield* registry.getManifest(repository, v1)
    })))

  it.scoped("has a limit of how many run at the same time", () =>
    inMemory(Effect.gen(function*() {
      yield* push(one, v1)
      yield* push(two, latest)
      const registry = yield* gate({ decide: () => Effect.never, maxDecisions: 1 })
      yield* Effect.fork(registry.getManifest(repository, v1))
      yield* Effect.yieldNow()
      expect(yield* Effect.flip(registry.getManifest(repository, latest))).toMatchObject({
        _tag: "OciTooManyRequests",
        retryAfter: 5000
      })
    })))

  it.scoped("runs as the anonymous caller", () =>
    inMemory(Effect.gen(function*() {
      yield* push(one, v1)
      const registry = yield* gate({ decide: () => Effect.map(Caller.Caller, ({ name }) => name === undefined) })
      yield* named("alice")(registry.getManifest(repository, v1))
    })))
})

describe("the manifests in an index", () => {
  const child = index("child")
  const inner = index("inner", [child.descriptor])
  const outer = index("outer", [inner.descriptor])
  const reads = (registry: Registry["Type"]) =>
    Effect.forEach(
      [outer, inner, child],
      ({ digest }) => Effect.map(Effect.exit(registry.getManifest(repository, digest)), Exit.isSuccess)
    )
  const pushAll = Effect.forEach([child, inner, outer], (each) => push(each))

  it.scoped("are decided about one by one", () =>
    inMemory(Effect.gen(function*() {
      yield* pushAll
      const { asked, decide } = recording((digest) => Effect.succeed(digest !== child.digest))
      expect(yield* reads(yield* gate({ decide }))).toEqual([true, true, false])
      expect(asked).toEqual([outer.digest, inner.digest, child.digest])
    })))

  it.scoped("are permitted with the index, at any depth, with `children: \"cover\"`", () =>
    inMemory(Effect.gen(function*() {
      yield* pushAll
      const { asked, decide } = recording((digest) => Effect.succeed(digest === outer.digest))
      expect(yield* reads(yield* gate({ decide, children: "cover" }))).toEqual([true, true, true])
      expect(asked).toEqual([outer.digest])
    })))

  it.scoped("are decided about before the index has been read, also with `children: \"cover\"`", () =>
    inMemory(Effect.gen(function*() {
      yield* pushAll
      const registry = yield* gate({
        decide: ({ manifest }) => Effect.succeed(manifest.descriptor.digest === outer.digest),
        children: "cover"
      })
      expect((yield* Effect.flip(registry.getManifest(repository, inner.digest)))._tag).toBe("OciDenied")
    })))
})

describe("verdicts", () => {
  it.scoped("survive a restart in a directory, also for a repository with a long name", () =>
    inMemory(Effect.gen(function*() {
      const directory = yield* NodeTemporary.directory
      const long = RepositoryName.make(Array.from({ length: 100 }, () => "x").join("/"))
      const registry = yield* Registry
      yield* registry.pushManifest(long, { mediaType: one.descriptor.mediaType, bytes: one.bytes, tags: [v1] })
      const decided = recording(() => Effect.succeed({ allowed: false, reason: "no" }))
      for (let restarts = 0; restarts < 2; restarts++) {
        const gated = yield* gate({ decide: decided.decide, verdicts: yield* inDirectory(directory) })
        expect((yield* Effect.flip(gated.getManifest(long, v1))).message).toContain("no")
      }
      expect(decided.asked).toHaveLength(1)
    })))

  it.scoped("that a crash has cut off count as absent", () =>
    inMemory(Effect.gen(function*() {
      yield* push(one, v1)
      const verdicts = KeyValueStore.make({
        ...(yield* inDirectory(yield* NodeTemporary.directory)),
        get: () => Effect.succeedSome("{\"allowed\":t")
      })
      const { asked, decide } = recording(() => Effect.succeed(true))
      const registry = yield* gate({ decide, verdicts })
      yield* registry.getManifest(repository, v1)
      yield* registry.getManifest(repository, v1)
      expect(asked).toHaveLength(2)
    })))
})

describe("quarantine of pushes", () => {
  it.scoped("starts the decision at the push, and serves only the pusher meanwhile", () =>
    inMemory(Effect.gen(function*() {
      const scanned = yield* Deferred.make<boolean>()
      const { asked, decide } = recording(() => Deferred.await(scanned))
      const registry = yield* gate({ decide, pushes: true })
      const pushed = Effect.provideService(push(one, v1), Registry, registry)
      yield* named("alice")(pushed)
      yield* Effect.repeatN(Effect.yieldNow(), 20)
      expect(asked).toEqual([one.digest])
      yield* named("alice")(registry.resolveManifest(repository, v1))
      const others = yield* Effect.forEach(
        ["bob", undefined],
        (name) => Effect.fork(Effect.exit(named(name)(registry.resolveManifest(repository, v1))))
      )
      yield* Effect.repeatN(Effect.yieldNow(), 20)
      for (const other of others) expect(yield* Fiber.poll(other)).toMatchObject({ _tag: "None" })
      yield* Deferred.succeed(scanned, false)
      for (const other of others) expect(Exit.isFailure(yield* Fiber.join(other))).toBe(true)
      expect((yield* Effect.flip(named("alice")(registry.resolveManifest(repository, v1))))._tag).toBe("OciDenied")
    })))

  it.scoped("does not fit behind a cache, which would serve all callers what the pusher reads", () =>
    Effect.gen(function*() {
      const cache = Memory.layer().pipe(
        Gate.wrap({ decide: () => Effect.succeed(true), pushes: true }),
        Cache.wrap({ store: Memory.layer() })
      )
      const exit = yield* Effect.exit(Layer.build(cache))
      expect(Exit.isFailure(exit) && Cause.pretty(exit.cause)).toContain("Cache cannot wrap")
    }))
})

it("changes no results if everything is permitted", () =>
  laws.same(Gate.middleware({ decide: () => Effect.succeed(true) }), (next) => next, { filled: true, numRuns: 40 }))

it("serves only what is permitted, through any history", () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ content: fc.nat(7), tag: fc.nat(2), read: fc.boolean(), behind: fc.boolean() })),
      fc.nat(255),
      (steps, permitted) =>
        Effect.gen(function*() {
          const contents = Array.from({ length: 8 }, (_, at) => index(String(at)))
          const isPermitted = (digest: Digest.Digest) =>
            (permitted >> contents.findIndex((each) => each.digest === digest)) % 2 === 1
          const { asked, decide } = recording((digest) => Effect.succeed(isPermitted(digest)))
          const gated = yield* gate({ decide })
          for (const { behind, content, read, tag } of steps) {
            const name = Tag.make(`v${tag}`)
            const target = behind ? yield* Registry : gated
            if (!read) {
              yield* Effect.provideService(push(contents[content]!, name), Registry, target)
              continue
            }
            const found = yield* Effect.either(gated.getManifest(repository, name))
            if (found._tag === "Right") expect(isPermitted(found.right.descriptor.digest)).toBe(true)
          }
          expect(new Set(asked).size).toBe(asked.length)
        }).pipe(Effect.scoped, inMemory, Effect.runPromise)
    ),
    { numRuns: 100, seed: 20_261_121 }
  ))

it.scoped("decides about a tag that moves while it is resolved", () =>
  inMemory(Effect.gen(function*() {
    yield* push(two, latest)
    const { handle } = yield* Registry
    // The tag moves after it was resolved.
    const moving = Handler.override(handle, {
      ResolveManifest: (operation) => operation.reference === v1 ? Effect.succeed(one.descriptor) : handle(operation)
    })
    yield* push(one)
    yield* push(two, v1)
    const { asked, decide } = recording(() => Effect.succeed(true))
    const apply = yield* Gate.middleware({ decide })
    const found = yield* apply(moving)(new Operation.ResolveManifest({ repository, reference: v1 }))
    expect(found.digest).toBe(one.digest)
    expect(asked).toEqual([one.digest])
  })))
