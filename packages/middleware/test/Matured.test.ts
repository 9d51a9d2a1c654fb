import { Handler, ReferenceSet, Registry, RegistryError, Tag } from "@effect-oci/core"
import type { Digest, Operation } from "@effect-oci/core"
import * as NodeTemporary from "@effect-oci/testing/NodeTemporary"
import * as PlatformError from "@effect/platform/Error"
import * as KeyValueStore from "@effect/platform/KeyValueStore"
import { describe, expect, it } from "@effect/vitest"
import { Effect, TestClock, TestContext } from "effect"
import * as fc from "fast-check"
import { Matured } from "../src/index.js"
import * as laws from "./laws.js"
import { index, inDirectory, inMemory, latest, push, repository, v1 } from "./policies.js"

const one = index("one")
const two = index("two")
const three = index("three")

/** Creates the wrapper around the registry in the context. */
const matured = (options: Matured.Options = { age: "7 days" }) =>
  Effect.flatMap(
    Registry,
    ({ handle }) => Effect.map(Matured.middleware(options), (matured) => Registry.fromHandler(matured(handle)))
  )

/** Returns the digest that a reference resolves to, or the tag of the error. The manifest that is read is the same. */
const served = (registry: Registry["Type"], reference: Operation.TagOrDigest) =>
  Effect.gen(function*() {
    const resolved = yield* Effect.merge(
      Effect.mapBoth(registry.resolveManifest(repository, reference), {
        onFailure: ({ _tag }) => _tag,
        onSuccess: ({ digest }) => digest
      })
    )
    const read = yield* Effect.merge(
      Effect.mapBoth(registry.getManifest(repository, reference), {
        onFailure: ({ _tag }) => _tag,
        onSuccess: ({ descriptor }) => descriptor.digest
      })
    )
    expect(read).toBe(resolved)
    return read
  })

describe("a tag", () => {
  it.effect("resolves to the newest manifest that has the age", () =>
    inMemory(Effect.gen(function*() {
      const registry = yield* matured()
      yield* push(one, v1)
      expect(yield* served(registry, v1)).toBe("OciDenied")
      yield* TestClock.adjust("6 days")
      yield* push(two, v1)
      expect(yield* served(registry, v1)).toBe("OciDenied")
      yield* TestClock.adjust("1 day")
      expect(yield* served(registry, v1)).toBe(one.digest)
      yield* TestClock.adjust("5 days")
      expect(yield* served(registry, v1)).toBe(one.digest)
      yield* TestClock.adjust("1 day")
      expect(yield* served(registry, v1)).toBe(two.digest)
    })))

  it.effect("that is too new says when it will be served", () =>
    inMemory(Effect.gen(function*() {
      const registry = yield* matured()
      yield* push(one, v1)
      yield* TestClock.setTime(Date.UTC(2026, 0, 1))
      expect((yield* Effect.flip(registry.getManifest(repository, v1))).message).toBe(
        `GetManifest team/app:v1: ${one.digest} is too new: this registry first saw it at 2026-01-01T00:00:00.000Z, ` +
          "and serves it from 2026-01-08T00:00:00.000Z on"
      )
    })))

  it.effect("is never served with an infinite age", () =>
    inMemory(Effect.gen(function*() {
      const registry = yield* matured({ age: Infinity })
      yield* push(one, v1)
      expect((yield* Effect.flip(registry.getManifest(repository, v1))).message).toContain("and never serves it")
    })))

  it.effect("falls back to an older manifest if the next registry has deleted a newer one", () =>
    inMemory(Effect.gen(function*() {
      const registry = yield* matured()
      const behind = yield* Registry
      for (const each of [one, two, three]) {
        yield* push(each, v1)
        yield* served(registry, v1)
        yield* TestClock.adjust("4 days")
      }
      expect(yield* served(registry, v1)).toBe(two.digest)
      yield* behind.deleteManifest(repository, two.digest)
      expect(yield* served(registry, v1)).toBe(one.digest)
      yield* behind.deleteManifest(repository, one.digest)
      expect(yield* served(registry, v1)).toBe("OciDenied")
    })))

  it.effect("that the next registry has deleted is not found", () =>
    inMemory(Effect.gen(function*() {
      const registry = yield* matured()
      yield* push(one, v1)
      yield* served(registry, v1)
      yield* TestClock.adjust("7 days")
      yield* (yield* Registry).deleteTag(repository, v1)
      expect(yield* served(registry, v1)).toBe("OciManifestUnknown")
    })))

  it.effect("that moves back serves the older manifest at once", () =>
    inMemory(Effect.gen(function*() {
      const registry = yield* matured()
      for (const each of [one, two]) {
        yield* push(each, v1)
        yield* served(registry, v1)
        yield* TestClock.adjust("7 days")
      }
      expect(yield* served(registry, v1)).toBe(two.digest)
      yield* push(one, v1)
      expect(yield* served(registry, v1)).toBe(one.digest)
    })))

  it.effect("that moves all the time is served with a delay a little above the age", () =>
    inMemory(Effect.gen(function*() {
      const registry = yield* matured({ age: "100 hours" })
      const pushedAt = new Map<string, number>()
      for (let hour = 0; hour < 300; hour++) {
        const each = index(String(hour))
        yield* push(each, v1)
        pushedAt.set(each.digest, hour)
        const found = yield* served(registry, v1)
        expect(found === "OciDenied" ? 0 : hour - pushedAt.get(found)!).toBeLessThanOrEqual(102)
        expect(found === "OciDenied").toBe(hour < 100)
        yield* TestClock.adjust("1 hour")
      }
    })))

  it.effect("fails if an older manifest cannot be read", () =>
    inMemory(Effect.gen(function*() {
      const { handle } = yield* Registry
      const broken = Handler.override(handle, {
        GetManifest: (operation) =>
          operation.reference === one.digest
            ? Effect.fail(new RegistryError.Unavailable({ reason: "upstream is down" }))
            : handle(operation)
      })
      const apply = yield* Matured.middleware({ age: "7 days" })
      const registry = Registry.fromHandler(apply(broken))
      yield* push(one, v1)
      yield* Effect.ignore(registry.getManifest(repository, v1))
      yield* TestClock.adjust("7 days")
      yield* push(two, v1)
      expect((yield* Effect.flip(registry.getManifest(repository, v1))).message).toBe(
        "GetManifest team/app:v1: upstream is down"
      )
    })))
})

describe("a manifest by its digest", () => {
  it.effect("is served if this registry has known it for the age, by whatever reference", () =>
    inMemory(Effect.gen(function*() {
      const registry = yield* matured()
      yield* push(one, v1)
      expect(yield* served(registry, v1)).toBe("OciDenied")
      yield* TestClock.adjust("6 days")
      expect(yield* served(registry, one.digest)).toBe("OciDenied")
      yield* TestClock.adjust("1 day")
      expect(yield* served(registry, one.digest)).toBe(one.digest)
    })))

  it.effect("in an index is as old as the index", () =>
    inMemory(Effect.gen(function*() {
      const outer = index("outer", [one.descriptor])
      const registry = yield* matured()
      yield* push(one)
      yield* push(outer, v1)
      yield* Effect.ignore(registry.resolveManifest(repository, v1))
      yield* TestClock.adjust("7 days")
      expect(yield* served(registry, one.digest)).toBe("OciDenied")
      expect(yield* served(registry, v1)).toBe(outer.digest)
      expect(yield* served(registry, one.digest)).toBe(one.digest)
    })))

  it.effect("counts from a push through the wrapper", () =>
    inMemory(Effect.gen(function*() {
      const registry = yield* matured()
      yield* Effect.provideService(push(one, v1), Registry, registry)
      yield* TestClock.adjust("7 days")
      expect(yield* served(registry, v1)).toBe(one.digest)
    })))
})

describe("an exception", () => {
  it.effect("is served at once, by its tag and then by its digest", () =>
    inMemory(Effect.gen(function*() {
      const registry = yield* matured({ age: "7 days", except: ReferenceSet.tags("latest") })
      const outer = index("outer", [one.descriptor])
      yield* push(one)
      yield* push(outer, latest, v1)
      expect(yield* served(registry, outer.digest)).toBe("OciDenied")
      expect(yield* served(registry, latest)).toBe(outer.digest)
      expect(yield* served(registry, outer.digest)).toBe(outer.digest)
      expect(yield* served(registry, one.digest)).toBe(one.digest)
      expect(yield* served(registry, v1)).toBe("OciDenied")
    })))

  it.effect("of a repository includes its digests", () =>
    inMemory(Effect.gen(function*() {
      const registry = yield* matured({ age: "7 days", except: ReferenceSet.prefix("team/") })
      yield* push(one, v1)
      expect(yield* served(registry, one.digest)).toBe(one.digest)
    })))
})

describe("the history", () => {
  it.scoped("survives a restart", () =>
    inMemory(Effect.gen(function*() {
      const directory = yield* NodeTemporary.directory
      const restart = Effect.flatMap(inDirectory(directory), (history) => matured({ age: "7 days", history }))
      yield* push(one, v1)
      expect(yield* served(yield* restart, v1)).toBe("OciDenied")
      yield* TestClock.adjust("7 days")
      yield* push(two, v1)
      expect(yield* served(yield* restart, v1)).toBe(one.digest)
      yield* TestClock.adjust("7 days")
      expect(yield* served(yield* restart, v1)).toBe(two.digest)
    })))

  it.scoped("that cannot be read serves nothing", () =>
    inMemory(Effect.gen(function*() {
      const history = KeyValueStore.make({
        ...(yield* inDirectory(yield* NodeTemporary.directory)),
        get: () =>
          Effect.fail(
            new PlatformError.SystemError({ reason: "Unknown", module: "KeyValueStore", method: "get" })
          )
      })
      const registry = yield* matured({ age: 0, history })
      yield* push(one, v1)
      expect(yield* served(registry, v1)).toBe("OciUnavailable")
    })))

  it.effect("begins when a repository is observed", () =>
    inMemory(Effect.gen(function*() {
      const registry = yield* matured()
      yield* push(one, v1)
      yield* push(two, latest)
      yield* Effect.provideService(Matured.observe(repository), Registry, registry)
      yield* TestClock.adjust("7 days")
      expect(yield* served(registry, v1)).toBe(one.digest)
      expect(yield* served(registry, latest)).toBe(two.digest)
    })))
})

it("changes no results with an age of 0", () =>
  laws.same(Matured.middleware({ age: 0 }), (next) => next, { filled: true, numRuns: 40 }))

it("serves nothing that it saw too recently, and the newest of the rest, through any history", () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ content: fc.nat(7), tag: fc.nat(1), hours: fc.nat(40) }), { maxLength: 40 }),
      (steps) =>
        Effect.gen(function*() {
          const contents = Array.from({ length: 8 }, (_, at) => index(String(at)))
          const registry = yield* matured({ age: "48 hours" })
          const firstSeen = new Map<Digest.Digest, number>()
          const pointed = new Map<Tag.Tag, Array<Digest.Digest>>()
          let now = 0
          for (const { content, hours, tag } of steps) {
            const name = Tag.make(`v${tag}`)
            const { digest } = contents[content]!
            yield* push(contents[content]!, name)
            if (!firstSeen.has(digest)) firstSeen.set(digest, now)
            pointed.set(name, [...(pointed.get(name) ?? []).filter((each) => each !== digest), digest])
            const isMature = (each: Digest.Digest) => firstSeen.get(each)! + 48 <= now
            expect(yield* served(registry, name)).toBe(pointed.get(name)!.findLast(isMature) ?? "OciDenied")
            expect(yield* served(registry, digest)).toBe(isMature(digest) ? digest : "OciDenied")
            now += hours
            yield* TestClock.adjust(`${hours} hours`)
          }
        }).pipe(inMemory, Effect.provide(TestContext.TestContext), Effect.runPromise)
    ),
    { numRuns: 25, seed: 20_261_121 }
  ))
