import {
  Answer,
  Digest,
  Handler,
  Operation,
  ReferenceSet,
  Registry,
  RegistryError,
  RepositoryName,
  Tag
} from "@effect-oci/core"
import type { Middleware } from "@effect-oci/core"
import { Memory } from "@effect-oci/store"
import * as History from "@effect-oci/testing/History"
import * as Linearizability from "@effect-oci/testing/Linearizability"
import * as samples from "@effect-oci/testing/RegistrySamples"
import { describe, expect, it } from "@effect/vitest"
import { Context, Deferred, Effect, Either, Exit, Fiber, Layer, Option } from "effect"
import * as fc from "fast-check"
import { Immutable } from "../src/index.js"
import * as laws from "./laws.js"

const { repository, tag } = samples
const butLatest = ReferenceSet.complement(ReferenceSet.tags("latest"))
const text = (content: string) => new TextEncoder().encode(content)
const digestOf = (content: string) => Digest.fromBytes(text(content))

const push = (
  content: string,
  tags: ReadonlyArray<string>,
  fields: Partial<Pick<Operation.PushManifest, "ifAbsent" | "ifMatch">> = {}
) =>
  new Operation.PushManifest({
    repository,
    mediaType: "text/plain",
    bytes: text(content),
    tags: tags.map((each) => Tag.make(each)),
    ...fields
  })

/** A slow registry that ignores `ifAbsent`. */
const careless: Middleware.Middleware = (next) =>
  Handler.override((operation) => Effect.zipRight(Effect.yieldNow(), next(operation)), {
    PushManifest: (operation) =>
      Effect.zipRight(Effect.yieldNow(), next(new Operation.PushManifest({ ...operation, ifAbsent: undefined })))
  })

/** A registry that refuses `ifAbsent` for an existing tag, even with the same content. */
const literal: Middleware.Middleware = (next) =>
  Handler.override(next, {
    PushManifest: (operation) =>
      Effect.gen(function*() {
        for (const tag of operation.ifAbsent === true ? operation.tags : []) {
          const there = yield* Effect.isSuccess(next(new Operation.ResolveManifest({ repository, reference: tag })))
          if (there) return yield* new RegistryError.Denied({ reason: "precondition failed" })
        }
        return yield* next(operation)
      })
  })

const modes: ReadonlyArray<{ name: string; options: Immutable.Options; base: Middleware.Middleware }> = [
  { name: "by a lock", options: {}, base: careless },
  { name: "by a lock, where the registry keeps ifAbsent", options: {}, base: (next) => next },
  { name: "by a lock, where the registry refuses the same", options: {}, base: literal },
  { name: "by ifAbsent", options: { conditional: true }, base: (next) => next },
  { name: "by ifAbsent, where the registry refuses the same", options: { conditional: true }, base: literal }
]

/** Creates the wrapper over a registry, and returns the registry below it too. */
const over = (base: Middleware.Middleware, options?: Immutable.Options) =>
  Effect.gen(function*() {
    const { handle } = yield* Registry
    const immutable = yield* Immutable.middleware(options)
    return { handle: immutable(base(handle)), behind: Registry.fromHandler(handle) }
  })

const inMemory = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.provide(effect, Memory.layer())

const refusals: { readonly [Tag in Operation.OperationTag]?: string } = {
  DeleteBlob:
    `DeleteBlob team/app@${samples.digest}: the tags of this repository are immutable, so that nothing is deleted by its digest`,
  DeleteManifest:
    `DeleteManifest team/app@${samples.digest}: the tags of this repository are immutable, so that nothing is deleted by its digest`,
  DeleteTag: "DeleteTag team/app:v1: the tag \"v1\" is immutable"
}

describe("Immutable", () => {
  it.scoped.each(samples.tags.map((tag) => ({ tag, verb: refusals[tag] === undefined ? "passes" : "is denied" })))(
    "$tag $verb",
    ({ tag }) =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        const immutable = yield* Immutable.middleware({ conditional: true })
        const handle = immutable((operation) => {
          seen.push(operation._tag)
          return samples.known(operation)
        })
        const answer = yield* samples.answerOf(handle, samples.operations[tag])
        const message = refusals[tag]
        if (message === undefined) {
          expect(seen).toEqual([tag])
          expect(answer).toEqual(yield* samples.answerOf(samples.known, samples.operations[tag]))
        } else {
          expect(seen).toEqual([])
          expect(yield* Effect.flip(answer)).toMatchObject({ _tag: "OciDenied", message })
        }
      })
  )

  it.scoped.each(["DeleteBlob", "DeleteManifest", "DeleteTag"] as const)(
    "forwards %s if no tag is immutable",
    (tag) =>
      Effect.gen(function*() {
        const select = ReferenceSet.repository("other/app")
        const handle = (yield* Immutable.middleware({ select }))(samples.known)
        expect(yield* handle(samples.operations[tag])).toBe(Operation.done)
      })
  )

  it.scoped("deletes mutable tags, but nothing by digest, in a repository with both kinds of tags", () =>
    Effect.gen(function*() {
      const handle = (yield* Immutable.middleware({ select: butLatest }))(samples.known)
      expect(yield* handle(new Operation.DeleteTag({ repository, tag: Tag.make("latest") }))).toBe(Operation.done)
      expect(yield* Effect.flip(handle(samples.operations.DeleteTag))).toMatchObject({ _tag: "OciDenied" })
      expect(yield* Effect.flip(handle(samples.operations.DeleteManifest))).toMatchObject({ _tag: "OciDenied" })
    }))

  describe.each(modes)("$name", ({ base, options }) => {
    it.scoped("sets a tag once, and accepts the same content again", () =>
      inMemory(Effect.gen(function*() {
        const { behind, handle } = yield* over(base, options)
        const first = yield* handle(push("one", ["v1"]))
        expect(first).toMatchObject({ digest: digestOf("one"), tags: ["v1"] })
        expect(yield* handle(push("one", ["v1"]))).toMatchObject({ digest: digestOf("one"), tags: ["v1"] })
        const error = yield* Effect.flip(handle(push("two", ["v1"])))
        expect(error).toMatchObject({
          _tag: "OciDenied",
          message: `PushManifest team/app:v1: the tag "v1" is immutable, and points at ${digestOf("one")}`
        })
        expect((yield* behind.resolveManifest(repository, tag)).digest).toBe(digestOf("one"))
        expect(yield* Effect.flip(behind.getManifest(repository, digestOf("two"))))
          .toMatchObject({ _tag: "OciManifestUnknown" })
      })))

    it.scoped("sets all of several tags or none", () =>
      inMemory(Effect.gen(function*() {
        const { behind, handle } = yield* over(base, options)
        yield* handle(push("one", ["v1"]))
        expect(yield* Effect.flip(handle(push("two", ["v3", "v1", "v2"])))).toMatchObject({ _tag: "OciDenied" })
        for (const absent of ["v2", "v3"]) {
          expect(yield* Effect.flip(behind.resolveManifest(repository, Tag.make(absent))))
            .toMatchObject({ _tag: "OciManifestUnknown" })
        }
      })))

    it.scoped("moves mutable tags that are pushed together with immutable ones", () =>
      inMemory(Effect.gen(function*() {
        const { behind, handle } = yield* over(base, { ...options, select: butLatest })
        const latest = Effect.map(behind.resolveManifest(repository, Tag.make("latest")), ({ digest }) => digest)
        yield* handle(push("one", ["latest", "v1"]))
        expect(yield* handle(push("two", ["latest", "v2", "v2"]))).toMatchObject({ tags: ["latest", "v2"] })
        expect(yield* latest).toBe(digestOf("two"))
        expect(yield* Effect.flip(handle(push("three", ["latest", "v1"])))).toMatchObject({ _tag: "OciDenied" })
        expect(yield* latest).toBe(digestOf("two"))
        yield* handle(push("three", ["latest"]))
        expect(yield* latest).toBe(digestOf("three"))
      })))

    it.scoped("lets exactly one of several concurrent pushes to a tag succeed", () =>
      inMemory(Effect.gen(function*() {
        const { behind, handle } = yield* over(base, options)
        const contents = Array.from({ length: 20 }, (_, index) => `content ${index}`)
        const exits = yield* Effect.forEach(contents, (content) => Effect.exit(handle(push(content, ["v1"]))), {
          concurrency: "unbounded"
        })
        const winners = exits.flatMap((exit) => Exit.isSuccess(exit) ? [exit.value.digest] : [])
        expect(winners).toHaveLength(1)
        expect((yield* behind.resolveManifest(repository, tag)).digest).toBe(winners[0])
        expect(exits.filter(Exit.isFailure)).toHaveLength(19)
      })))
  })

  it.scoped("keeps ifAbsent of the caller", () =>
    inMemory(Effect.gen(function*() {
      const { behind, handle } = yield* over((next) => next, { conditional: true, select: butLatest })
      yield* handle(push("one", ["latest"]))
      expect(yield* Effect.flip(handle(push("two", ["latest", "v2"], { ifAbsent: true })))).toMatchObject({
        _tag: "OciDenied"
      })
      expect(yield* Effect.flip(behind.resolveManifest(repository, Tag.make("v2")))).toMatchObject({
        _tag: "OciManifestUnknown"
      })
    })))

  it.scoped.each(modes)(
    "with ifMatch, moves no immutable tag and creates none, $name",
    ({ base, options }) =>
      inMemory(Effect.gen(function*() {
        const { behind, handle } = yield* over(base, { ...options, select: butLatest })
        yield* handle(push("one", ["v1", "latest"]))
        const one = { ifMatch: digestOf("one") }
        const refused = [push("two", ["v1"], one), push("two", ["v1", "latest"], one), push("one", ["v2"], one)]
        for (const operation of refused) {
          expect(yield* Effect.flip(handle(operation))).toMatchObject({ _tag: "OciDenied", repository })
        }
        const digests = (...tags: ReadonlyArray<string>) =>
          Effect.forEach(tags, (tag) => Effect.option(behind.resolveManifest(repository, Tag.make(tag)))).pipe(
            Effect.map((all) => all.map(Option.match({ onNone: () => undefined, onSome: ({ digest }) => digest })))
          )
        expect(yield* digests("v1", "latest", "v2")).toEqual([digestOf("one"), digestOf("one"), undefined])
        expect((yield* handle(push("one", ["v1", "latest"], one))).tags).toEqual(["v1", "latest"])
        yield* handle(push("two", ["latest"], one))
        expect(yield* digests("v1", "latest")).toEqual([digestOf("one"), digestOf("two")])
      }))
  )

  it.scoped("passes on a Denied error of the registry", () =>
    Effect.gen(function*() {
      const error = new RegistryError.Denied({ reason: "read only on Sundays" })
      const next = Handler.override(samples.known, {
        ResolveManifest: () => Answer.fail(new RegistryError.ManifestUnknown({})),
        PushManifest: () => Answer.fail(error)
      })
      for (const conditional of [true, false]) {
        const handle = (yield* Immutable.middleware({ conditional }))(next)
        expect(yield* Effect.flip(handle(push("one", ["v1"])))).toBe(error)
      }
    }))

  it.scoped("pushes nothing if the tag cannot be resolved", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const next = Handler.override((operation) => {
        seen.push(operation._tag)
        return samples.known(operation)
      }, { ResolveManifest: () => Answer.fail(new RegistryError.Unavailable({ operation: "ResolveManifest" })) })
      const handle = (yield* Immutable.middleware())(next)
      expect(yield* Effect.flip(handle(push("one", ["v1"])))).toMatchObject({
        _tag: "OciUnavailable",
        operation: "PushManifest",
        repository
      })
      expect(seen).toEqual([])
    }))

  /** A registry without a rule for the types of manifests: a push replaces the type. */
  const retyping: Middleware.Middleware = (next) => {
    const retyped = new Map<string, string>()
    return Handler.override(next, {
      PushManifest: (operation) =>
        Effect.catchTag(next(operation), "OciManifestInvalid", () =>
          Effect.sync(() => {
            const digest = Digest.fromBytes(operation.bytes)
            retyped.set(digest, operation.mediaType)
            return {
              mediaType: operation.mediaType,
              digest,
              size: operation.bytes.byteLength,
              tags: [],
              subject: undefined
            }
          })),
      ResolveManifest: (operation) =>
        Effect.map(next(operation), (found) => ({ ...found, mediaType: retyped.get(found.digest) ?? found.mediaType }))
    })
  }

  it.scoped.each([{ name: "one type a digest", base: (next: Handler.Handler) => next }, {
    name: "any type",
    base: retyping
  }])(
    "keeps the media type of a manifest, by tag and by digest, over a registry that keeps $name (T58)",
    ({ base }) =>
      Effect.gen(function*() {
        const { behind, handle } = yield* over(base, { select: butLatest })
        yield* handle(push("one", ["v1"]))
        const mediaType = "application/vnd.example"
        for (
          const again of [
            { ...push("one", []), digest: digestOf("one") },
            push("one", []),
            push("one", ["v1"]),
            push("one", ["v2", "latest"]),
            push("one", ["latest"], { ifAbsent: true })
          ]
        ) {
          const error = yield* Effect.flip(handle(new Operation.PushManifest({ ...again, mediaType })))
          expect(error).toMatchObject({ _tag: "OciManifestInvalid", repository, operation: "PushManifest" })
        }
        expect((yield* behind.resolveManifest(repository, Tag.make("v1"))).mediaType).toBe("text/plain")
        expect((yield* handle(push("one", ["v1"]))).tags).toEqual([Tag.make("v1")])
      }).pipe(inMemory)
  )

  const algorithms = fc.constantFrom("sha256", "sha512", undefined)

  it.each(modes)(
    "serves a manifest by every digest that was pushed, and keeps its tags, $name",
    ({ base, options }) =>
      fc.assert(
        fc.asyncProperty(
          fc.array(
            fc.record({
              content: fc.constantFrom("one", "two"),
              tags: fc.uniqueArray(fc.constantFrom("v1", "v2", "latest"), { maxLength: 3 }),
              algorithm: algorithms,
              ifAbsent: fc.boolean()
            }),
            { maxLength: 8 }
          ),
          (pushes) =>
            Effect.gen(function*() {
              const { behind, handle } = yield* over(base, { ...options, select: butLatest })
              const stays = new Map<string, Digest.Digest>()
              for (const { algorithm, content, ifAbsent, tags } of pushes) {
                const digest = algorithm === undefined ? undefined : Digest.fromBytes(text(content), algorithm)
                if (digest === undefined && tags.length === 0) continue
                const operation = new Operation.PushManifest({ ...push(content, tags, { ifAbsent }), digest })
                const pushed = yield* Effect.either(handle(operation))
                for (const [tag, digest] of stays) {
                  expect((yield* behind.resolveManifest(repository, Tag.make(tag))).digest).toBe(digest)
                }
                if (pushed._tag === "Left") continue
                expect(pushed.right.tags).toEqual(operation.tags)
                for (const reference of [pushed.right.digest, digest ?? pushed.right.digest, ...operation.tags]) {
                  expect((yield* behind.getManifest(repository, reference)).bytes).toEqual(text(content))
                }
                for (const tag of tags.filter((tag) => tag !== "latest" && !stays.has(tag))) {
                  stays.set(tag, (yield* behind.resolveManifest(repository, Tag.make(tag))).digest)
                }
              }
            }).pipe(Effect.scoped, inMemory, Effect.runPromise)
        ),
        { numRuns: 40, seed: 20_261_121 }
      )
  )

  it.scoped("compares content by the algorithm of the tag's digest", () =>
    Effect.gen(function*() {
      const digest = Digest.fromBytes(text("one"), "sha512")
      const next = Handler.override(samples.known, {
        ResolveManifest: () => Effect.succeed({ mediaType: "text/plain", digest, size: 3 })
      })
      const handle = (yield* Immutable.middleware())(next)
      expect(Exit.isSuccess(yield* Effect.exit(handle(push("one", ["v1"]))))).toBe(true)
      expect(yield* Effect.flip(handle(push("two", ["v1"])))).toMatchObject({ _tag: "OciDenied" })
    }))

  it.scoped.each(modes)(
    "reports a tag once, even if the push names the tag twice, $name",
    ({ base, options }) =>
      Effect.gen(function*() {
        const { handle } = yield* over(base, options)
        yield* handle(push("one", ["v1"]))
        const again = new Operation.PushManifest({
          ...push("one", ["v1", "v1"]),
          digest: Digest.fromBytes(text("one"), "sha512")
        })
        expect((yield* handle(again)).tags).toEqual(["v1"])
      }).pipe(inMemory)
  )

  describe("locks", () => {
    const ends = <A, E>(effect: Effect.Effect<A, E>) =>
      Effect.raceFirst(Effect.as(Effect.exit(effect), "ended"), Effect.as(repeatedly, "waits"))
    const repeatedly = Effect.repeatN(Effect.yieldNow(), 1000)

    it.scoped("waits for pushes of the same tags until they end or are interrupted", () =>
      Effect.gen(function*() {
        const started = yield* Deferred.make<void>()
        const next = Handler.override(samples.known, {
          ResolveManifest: () => Answer.fail(new RegistryError.ManifestUnknown({})),
          PushManifest: (operation) =>
            operation.tags.includes(Tag.make("stuck"))
              ? Effect.zipRight(Deferred.succeed(started, undefined), Effect.never)
              : samples.known(operation)
        })
        const handle = (yield* Immutable.middleware())(next)
        const stuck = yield* Effect.fork(handle(push("one", ["stuck", "a"])))
        yield* Deferred.await(started)
        expect(yield* ends(handle(push("two", ["b", "c"])))).toBe("ended")
        expect(
          yield* ends(
            handle(new Operation.PushManifest({ ...push("two", ["a"]), repository: RepositoryName.make("b") }))
          )
        )
          .toBe("ended")
        expect(yield* ends(handle(push("two", ["b", "a"])))).toBe("waits")
        yield* Fiber.interrupt(stuck)
        expect(yield* ends(handle(push("two", ["b", "a"])))).toBe("ended")
      }))

    it.scoped("does not deadlock if tags are in another order", () =>
      inMemory(Effect.gen(function*() {
        const { handle } = yield* over(careless)
        yield* Effect.forEach(
          Array.from({ length: 50 }, (_, index) => index % 2 === 0 ? ["a", "b", "c"] : ["c", "a", "b"]),
          (tags) => handle(push("one", tags)),
          { concurrency: "unbounded" }
        )
      })))
  })

  describe("on several nodes over one registry", () => {
    /** Lets other clients run before each operation of the registry. */
    const slow: Middleware.Middleware = (next) => (operation) =>
      Effect.zipRight(Effect.yieldNow(), Effect.suspend(() => next(operation))) as never

    /** Runs races through two wrappers in turn, each with a lock of its own. Returns those that are not linearizable. */
    const races = (options: Immutable.Options, base: Middleware.Middleware) =>
      Effect.forEach(fc.sample(Linearizability.race, { numRuns: 100, seed: 1 }), (race) =>
        Effect.gen(function*() {
          const { handle } = yield* Effect.map(Layer.build(Memory.layer()), Context.get(Registry))
          const nodes = (yield* Effect.all([Immutable.middleware(options), Immutable.middleware(options)]))
            .map((wrapper) => wrapper(slow(base(handle))))
          let turn = 0
          const balanced: Handler.Handler = (operation) => nodes[turn++ % 2]!(operation)
          const pushes = race.map((steps) =>
            steps.map((step) => {
              const operation: typeof step.operation = step.operation === "push" ? "pushIfAbsent" : step.operation
              return { ...step, operation }
            }).filter(({ operation }) => !/delete|IfMatch/.test(operation))
          )
          const history = yield* Effect.provideService(
            Linearizability.run(pushes),
            Registry,
            Registry.fromHandler(balanced)
          )
          return Either.isLeft(Linearizability.check(history)) ? [history] : []
        })).pipe(Effect.map((found) => found.flat()))

    it.scoped("needs no lock if the registry enforces ifAbsent", () =>
      Effect.gen(function*() {
        expect(yield* races({ conditional: true }, (next) => next)).toEqual([])
        expect(yield* races({ conditional: false }, (next) => next)).toEqual([])
      }))

    it.scoped("is not linearizable if the registry ignores ifAbsent: the lock is of one process", () =>
      Effect.gen(function*() {
        expect((yield* races({ conditional: false }, careless)).length).toBeGreaterThan(0)
      }))
  })

  describe("laws", () => {
    it("applying it twice equals applying it once", () =>
      laws.same(
        laws.stack(Immutable.middleware(), Immutable.middleware()),
        Immutable.middleware(),
        { filled: true, numRuns: 60 }
      ))
    it("applying it twice to some tags equals applying it once, by ifAbsent", () => {
      const some = Immutable.middleware({ select: butLatest, conditional: true })
      return laws.same(laws.stack(some, some), some, { filled: true, numRuns: 60 })
    })
    it("a lock and ifAbsent allow the same pushes", () =>
      fc.assert(
        fc.asyncProperty(History.history(20), History.history(20), async (before, history) => {
          const results = async (conditional: boolean) =>
            (await laws.results(Immutable.middleware({ select: butLatest, conditional }), before, history))
              .map(({ operation, error, result }) => ({ operation, failed: error !== undefined, result }))
          expect(await results(true)).toEqual(await results(false))
        }),
        { numRuns: 60, seed: 20_261_121 }
      ))

    it("no sequence of operations moves a tag", () =>
      fc.assert(
        fc.asyncProperty(History.history(30), fc.boolean(), (history, conditional) =>
          Effect.gen(function*() {
            const { behind, handle } = yield* over(conditional ? (next) => next : careless, { conditional })
            const points = new Map<string, string>()
            for (const step of history) {
              yield* Effect.provideService(History.run([step]), Registry, Registry.fromHandler(handle))
              for (const name of ["team/app", "team/base", "library/tool"]) {
                for (const each of ["latest", "v1", "v1.1", "v1-rc"]) {
                  const digest = yield* behind.resolveManifest(RepositoryName.make(name), Tag.make(each)).pipe(
                    Effect.match({ onFailure: () => undefined, onSuccess: ({ digest }) => digest })
                  )
                  const before = points.get(`${name}:${each}`)
                  if (before !== undefined) expect(digest).toBe(before)
                  if (digest !== undefined) points.set(`${name}:${each}`, digest)
                }
              }
            }
          }).pipe(Effect.scoped, inMemory, Effect.runPromise)),
        { numRuns: 40, seed: 20_261_121 }
      ))
  })

  it.effect("wraps a layer in a new layer at each call", () =>
    Effect.gen(function*() {
      const registry = yield* Effect.provide(Registry, Registry.layerHandler(samples.known).pipe(Immutable.wrap()))
      expect(yield* Effect.flip(registry.deleteTag(repository, tag))).toMatchObject({ _tag: "OciDenied" })
      expect(Immutable.layer()).not.toBe(Immutable.layer())
    }))
})
