import { Answer, Descriptor, Middleware, Operation, ReferenceSet, RegistryError, Tag } from "@effect-oci/core"
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, TestClock } from "effect"
import { Filter, Logging, Retry } from "../src/index.js"
import { during, image, make, other, push, repository, tag, text } from "./cache.js"
import type { World } from "./cache.js"

const one = image(text("one"))
const two = image(text("two"))
const absent = Tag.make("absent")

const resolve = ({ cache }: World, of: Operation.TagOrDigest = tag) => cache.resolveManifest(repository, of)
const get = ({ cache }: World, of: Operation.TagOrDigest = tag) => cache.getManifest(repository, of)

/** Creates a registry that can be made to fail. */
const failing = () => {
  const state: { error: RegistryError.RegistryError | undefined } = { error: undefined }
  const middleware: Middleware.Middleware = (next) => (operation) =>
    state.error === undefined
      ? next(operation)
      : Answer.fail(RegistryError.withFields(state.error, Operation.errorFields(operation)))
  return { state, middleware }
}

const down = new RegistryError.Unavailable({ reason: "down for repairs" })
const denied = new RegistryError.Denied({ reason: "no more" })

/** Answers after other fibers have run. */
const slow: Middleware.Middleware = (next) => (operation) =>
  Effect.zipRight(Effect.repeatN(Effect.yieldNow(), 20), Effect.suspend(() => next(operation))) as never

describe("a tag", () => {
  it.scoped("is served for its time to live, and then resolved again", () =>
    Effect.gen(function*() {
      const world = yield* make({ tagTimeToLive: "1 minute" })
      yield* push(world, one)
      expect(yield* during(world.base, get(world))).toEqual(["GetManifest"])
      yield* push(world, two)
      yield* TestClock.adjust("59 seconds")
      expect(yield* during(world.base, Effect.all([get(world), resolve(world)]))).toEqual([])
      expect((yield* get(world)).bytes).toEqual(one.bytes)
      yield* TestClock.adjust("1 seconds")
      expect((yield* resolve(world)).digest).toBe(two.descriptor.digest)
      expect(yield* during(world.base, get(world))).toEqual(["GetManifest"])
      expect((yield* get(world)).bytes).toEqual(two.bytes)
    }))

  it.scoped("is only resolved again if it has not moved, and is valid for another time to live", () =>
    Effect.gen(function*() {
      const world = yield* make({ tagTimeToLive: "1 minute" })
      yield* push(world, one)
      yield* get(world)
      for (let minute = 0; minute < 3; minute++) {
        yield* TestClock.adjust("1 minute")
        expect(yield* during(world.base, get(world))).toEqual(["ResolveManifest"])
        expect((yield* get(world)).bytes).toEqual(one.bytes)
        expect(yield* during(world.base, get(world))).toEqual([])
      }
    }))

  it.scoped("is only resolved again if it moved to a manifest in the store", () =>
    Effect.gen(function*() {
      const world = yield* make()
      yield* push(world, one)
      yield* push(world, two, { tags: [Tag.make("v2")] })
      yield* Effect.all([get(world), get(world, Tag.make("v2"))])
      yield* push(world, two)
      yield* TestClock.adjust("1 minute")
      expect(yield* during(world.base, get(world))).toEqual(["ResolveManifest"])
      expect((yield* get(world)).bytes).toEqual(two.bytes)
    }))

  it.scoped("is resolved without being pulled, and pulled without being resolved", () =>
    Effect.gen(function*() {
      const world = yield* make()
      yield* push(world, one)
      expect(yield* resolve(world)).toEqual(one.descriptor)
      expect(yield* during(world.base, resolve(world))).toEqual([])
      expect(yield* during(world.base, get(world))).toEqual(["GetManifest"])
      expect(yield* during(world.base, Effect.all([resolve(world), get(world)]))).toEqual([])
      expect(yield* during(world.base, get(world, one.descriptor.digest))).toEqual([])
      expect(yield* during(world.base, resolve(world, one.descriptor.digest))).toEqual([])
    }))

  it.scoped("is requested once for all concurrent callers, even if one of them is interrupted", () =>
    Effect.gen(function*() {
      const world = yield* make({ base: slow })
      yield* push(world, one)
      const requests = yield* during(
        world.base,
        Effect.gen(function*() {
          const first = yield* Effect.fork(get(world))
          yield* Effect.yieldNow()
          const others = yield* Effect.fork(Effect.all(Array.from({ length: 100 }, () => get(world)), {
            concurrency: "unbounded"
          }))
          yield* Effect.repeatN(Effect.yieldNow(), 5)
          yield* Fiber.interrupt(first)
          for (const found of yield* Fiber.join(others)) expect(found.bytes).toEqual(one.bytes)
        })
      )
      expect(requests).toEqual(["GetManifest"])
    }))

  it.scoped("is served longer while the upstream is down, with staleIfError", () =>
    Effect.gen(function*() {
      const { middleware, state } = failing()
      const world = yield* make({ base: middleware, tagTimeToLive: "1 minute", staleIfError: "1 hour" })
      yield* push(world, one)
      yield* get(world)
      state.error = down
      yield* TestClock.adjust("60 minutes")
      expect((yield* get(world)).bytes).toEqual(one.bytes)
      expect(yield* resolve(world)).toEqual(one.descriptor)
      yield* TestClock.adjust("1 minute")
      expect(yield* Effect.flip(get(world))).toMatchObject({
        _tag: "OciUnavailable",
        message: "GetManifest team/app:v1: down for repairs"
      })
      state.error = undefined
      expect((yield* get(world)).bytes).toEqual(one.bytes)
    }))

  it.scoped("is not served longer without staleIfError, or if the upstream refuses the request", () =>
    Effect.gen(function*() {
      const { middleware, state } = failing()
      const world = yield* make({ base: middleware })
      const lenient = yield* make({ base: middleware, staleIfError: "1 hour" })
      for (const each of [world, lenient]) {
        yield* push(each, one)
        yield* get(each)
      }
      yield* TestClock.adjust("1 minute")
      state.error = down
      expect(yield* Effect.flip(resolve(world))).toMatchObject({ _tag: "OciUnavailable", operation: "ResolveManifest" })
      state.error = denied
      expect(yield* Effect.flip(get(lenient))).toMatchObject({ _tag: "OciDenied", operation: "GetManifest" })
    }))

  it.scoped("returns the upstream's error after the tag was deleted", () =>
    Effect.gen(function*() {
      const world = yield* make()
      yield* push(world, one)
      yield* get(world)
      yield* world.behind.deleteTag(repository, tag)
      yield* TestClock.adjust("1 minute")
      const error = yield* Effect.flip(world.behind.getManifest(repository, tag))
      expect(yield* Effect.flip(get(world))).toEqual(error)
      expect((yield* get(world, one.descriptor.digest)).bytes).toEqual(one.bytes)
    }))

  it.scoped("is not served as stale after a not-found result", () =>
    Effect.gen(function*() {
      const { middleware, state } = failing()
      const world = yield* make({ base: middleware, staleIfError: "1 hour" })
      yield* push(world, one)
      yield* get(world)
      yield* world.behind.deleteTag(repository, tag)
      yield* TestClock.adjust("1 minute")
      yield* Effect.flip(resolve(world))
      yield* TestClock.adjust("1 minute")
      state.error = down
      expect(yield* Effect.flip(resolve(world))).toMatchObject({ _tag: "OciUnavailable" })
      expect(yield* Effect.flip(get(world))).toMatchObject({ _tag: "OciUnavailable" })
    }))

  it.scoped("is resolved again if maxRemembered is exceeded", () =>
    Effect.gen(function*() {
      const world = yield* make({ maxRemembered: 2 })
      const tags = ["a", "b", "c"].map((name) => Tag.make(name))
      yield* push(world, one, { tags })
      for (const each of tags) yield* resolve(world, each)
      expect(yield* during(world.base, resolve(world, tags[2]))).toEqual([])
      expect(yield* during(world.base, resolve(world, tags[1]))).toEqual([])
      expect(yield* during(world.base, resolve(world, tags[0]))).toEqual(["ResolveManifest"])
    }))
})

describe("a not-found result", () => {
  const { digest } = two.descriptor
  const reads: ReadonlyArray<
    { readonly name: string; readonly read: (world: World) => Effect.Effect<unknown, unknown> }
  > = [
    { name: "GetManifest of a tag", read: (world) => get(world, absent) },
    { name: "GetManifest of a digest", read: (world) => get(world, digest) },
    { name: "ResolveManifest of a tag", read: (world) => resolve(world, absent) },
    { name: "ResolveManifest of a digest", read: (world) => resolve(world, digest) },
    { name: "ResolveBlob", read: ({ cache }) => cache.resolveBlob(repository, digest) },
    { name: "GetBlob", read: ({ cache }) => Effect.scoped(cache.getBlob(repository, digest)) },
    {
      name: "GetBlob of a range",
      read: ({ cache }) =>
        Effect.zipRight(
          Effect.ignore(Effect.scoped(cache.getBlob(repository, digest))),
          Effect.scoped(cache.getBlob(repository, digest, { range: { offset: 1 } }))
        )
    },
    { name: "GetManifest in a repository that does not exist", read: ({ cache }) => cache.getManifest(other, absent) }
  ]

  it.scoped.each(reads)("is served for negativeTimeToLive: $name", ({ read }) =>
    Effect.gen(function*() {
      const world = yield* make({ negativeTimeToLive: "10 seconds" })
      yield* push(world, one)
      const error = yield* Effect.flip(read(world))
      expect(error).toEqual(yield* Effect.flip(read({ ...world, cache: world.behind })))
      yield* TestClock.adjust("9 seconds")
      expect(yield* during(world.base, Effect.flip(read(world)))).toEqual([])
      expect(yield* Effect.flip(read(world))).toEqual(error)
      yield* TestClock.adjust("1 seconds")
      expect(yield* during(world.base, Effect.flip(read(world)))).toHaveLength(1)
    }))

  it.scoped("is requested once for all concurrent callers", () =>
    Effect.gen(function*() {
      const world = yield* make({ base: slow })
      yield* push(world, one)
      for (const { read } of reads.slice(0, 6)) {
        const all = Effect.all(Array.from({ length: 20 }, () => Effect.exit(read(world))), { concurrency: "unbounded" })
        expect(yield* during(world.base, all)).toHaveLength(1)
      }
    }))

  it.scoped("is the only error that is cached", () =>
    Effect.gen(function*() {
      const { middleware, state } = failing()
      const world = yield* make({ base: middleware })
      yield* push(world, one)
      state.error = down
      for (const { read } of reads) expect(yield* Effect.flip(read(world))).toMatchObject({ _tag: "OciUnavailable" })
      state.error = undefined
      expect((yield* get(world)).bytes).toEqual(one.bytes)
    }))
})

describe("after a write through the cache", () => {
  const pushed = ({ cache }: World) =>
    cache.pushManifest(repository, { mediaType: one.mediaType, bytes: one.bytes, tags: [tag, absent] })

  it.scoped("resolves tags and not-found results again after a push of a manifest", () =>
    Effect.gen(function*() {
      const world = yield* make()
      yield* push(world, one, { tags: [] })
      yield* push(world, two)
      yield* get(world)
      yield* Effect.flip(get(world, absent))
      yield* pushed(world)
      expect((yield* get(world)).bytes).toEqual(one.bytes)
      expect((yield* get(world, absent)).bytes).toEqual(one.bytes)
    }))

  it.scoped("resolves tags again after a failed push, which may have been executed", () =>
    Effect.gen(function*() {
      const base: Middleware.Middleware = (next) => (operation) =>
        operation._tag === "PushManifest"
          ? Effect.zipRight(next(operation), new RegistryError.TransportError({ reason: "no answer" })) as never
          : next(operation)
      const world = yield* make({ base })
      yield* push(world, one, { tags: [] })
      yield* push(world, two)
      yield* get(world)
      yield* Effect.flip(pushed(world))
      expect((yield* get(world)).bytes).toEqual(one.bytes)
    }))

  it.scoped("reports a deleted tag as not found", () =>
    Effect.gen(function*() {
      const world = yield* make()
      yield* push(world, one)
      yield* get(world)
      yield* world.cache.deleteTag(repository, tag)
      expect(yield* Effect.flip(get(world))).toMatchObject({ _tag: "OciManifestUnknown" })
      expect(yield* during(world.base, get(world, one.descriptor.digest))).toEqual([])
    }))

  it.scoped.each([{ strict: false }, { strict: true }])(
    "reports a deleted manifest and its tags as not found, strict: $strict",
    ({ strict }) =>
      Effect.gen(function*() {
        const world = yield* make({ strict })
        yield* push(world, one)
        yield* get(world)
        yield* world.cache.deleteManifest(repository, one.descriptor.digest)
        expect(yield* Effect.flip(get(world))).toMatchObject({ _tag: "OciManifestUnknown" })
        expect(yield* Effect.flip(get(world, one.descriptor.digest))).toMatchObject({ _tag: "OciManifestUnknown" })
      })
  )

  it.scoped("serves the new media type of a manifest that was deleted and pushed again", () =>
    Effect.gen(function*() {
      const world = yield* make()
      const bytes = text("anything")
      const { digest } = Descriptor.fromBytes(bytes)
      yield* world.behind.pushManifest(repository, { mediaType: "a/one", bytes, tags: [tag] })
      expect(yield* get(world, digest)).toMatchObject({ descriptor: { mediaType: "a/one" } })
      yield* world.cache.deleteManifest(repository, digest)
      yield* world.cache.pushManifest(repository, { mediaType: "a/two", bytes, tags: [tag] })
      expect(yield* get(world, digest)).toMatchObject({ descriptor: { mediaType: "a/two" } })
    }))

  /** Forwards operations at once, but returns the result of one operation only after `go`. */
  const late =
    (tag: Operation.OperationTag, go: Deferred.Deferred<void>): Middleware.Middleware => (next) => (operation) =>
      operation._tag === tag
        ? Effect.flatMap(
          Effect.exit(next(operation)),
          (exit) => Effect.zipRight(Deferred.await(go), exit)
        ) as never
        : next(operation)

  it.scoped.each([{ reference: tag }, { reference: absent }])(
    "does not cache a result that was requested before the write: $reference",
    ({ reference }) =>
      Effect.gen(function*() {
        const go = yield* Deferred.make<void>()
        const world = yield* make({ base: late("ResolveManifest", go) })
        yield* push(world, one, { tags: [] })
        yield* push(world, two)
        const early = yield* Effect.fork(Effect.exit(resolve(world, reference)))
        yield* Effect.repeatN(Effect.yieldNow(), 20)
        yield* pushed(world)
        const later = yield* Effect.fork(resolve(world, reference))
        yield* Effect.repeatN(Effect.yieldNow(), 20)
        yield* Deferred.succeed(go, undefined)
        expect((yield* Fiber.join(later)).digest).toBe(one.descriptor.digest)
        yield* Fiber.join(early)
        expect((yield* resolve(world, reference)).digest).toBe(one.descriptor.digest)
      })
  )

  it.scoped("asks the upstream while the write is in progress", () =>
    Effect.gen(function*() {
      const go = yield* Deferred.make<void>()
      const world = yield* make({ base: late("PushManifest", go) })
      yield* push(world, one, { tags: [] })
      yield* push(world, two)
      yield* get(world)
      yield* Effect.flip(get(world, absent))
      const pushing = yield* Effect.fork(pushed(world))
      yield* Effect.repeatN(Effect.yieldNow(), 20)
      expect((yield* get(world)).bytes).toEqual(one.bytes)
      expect((yield* get(world, absent)).bytes).toEqual(one.bytes)
      expect((yield* resolve(world)).digest).toBe(one.descriptor.digest)
      yield* Deferred.succeed(go, undefined)
      yield* Fiber.join(pushing)
    }))
})

/** Returns the tag of an error, or "found". */
const outcome = (answer: Effect.Effect<unknown, RegistryError.RegistryError>) =>
  Effect.match(answer, { onFailure: ({ _tag }) => _tag, onSuccess: () => "found" })

describe("a manifest that the upstream serves only by its tag", () => {
  const digest = one.descriptor.digest
  const byTags = Filter.middleware({ select: ReferenceSet.tags("v*") })
  /** A remote registry with a filter: its manifests do not have the filter's mark. */
  const remote: Middleware.Middleware = (next) => (operation) =>
    operation._tag === "GetManifest"
      ? Effect.map(byTags(next)(operation), (manifest) => ({ ...manifest })) as never
      : byTags(next)(operation)
  const rows: ReadonlyArray<readonly [name: string, options: NonNullable<Parameters<typeof make>[0]>]> = [
    ["behind a Filter", { base: byTags }],
    ["behind a Filter in other wrappers", {
      base: Middleware.compose(byTags, Logging.middleware(), Retry.middleware())
    }],
    ["behind a remote Filter, as tagOnly says", { base: remote, tagOnly: true }]
  ]

  it.scoped.each(rows)("is cached for the tag and not for its digest, %s", ([, options]) =>
    Effect.gen(function*() {
      const world = yield* make({ ...options, negativeTimeToLive: 0 })
      yield* push(world, one)
      for (let turn = 0; turn < 2; turn++) {
        expect((yield* get(world)).bytes).toEqual(one.bytes)
        expect(yield* outcome(get(world, digest))).toBe("OciManifestUnknown")
        expect(yield* outcome(resolve(world, digest))).toBe("OciManifestUnknown")
        expect(yield* during(world.base, Effect.all([get(world), resolve(world)]))).toEqual([])
      }
    }))

  it.scoped("is cached for its digest too, after the upstream has served it by the digest", () =>
    Effect.gen(function*() {
      const world = yield* make({ tagOnly: true })
      yield* push(world, one)
      yield* get(world)
      expect(yield* during(world.base, get(world, digest))).toEqual(["GetManifest"])
      expect(yield* during(world.base, Effect.all([get(world, digest), resolve(world, digest), get(world)]))).toEqual(
        []
      )
      expect(yield* during(world.store, resolve(world, digest))).toEqual(["ResolveManifest"])
    }))

  it.scoped("is not found by the tag after a delete through the cache", () =>
    Effect.gen(function*() {
      const world = yield* make({ tagOnly: true, negativeTimeToLive: 0 })
      yield* push(world, one)
      yield* get(world)
      yield* world.cache.deleteManifest(repository, digest)
      expect(yield* outcome(get(world))).toBe("OciManifestUnknown")
    }))
})
