import {
  Answer,
  Body,
  Handler,
  Operation,
  ReferenceSet,
  Registry,
  RegistryError,
  RepositoryName
} from "@effect-oci/core"
import type { Middleware } from "@effect-oci/core"
import { Memory } from "@effect-oci/store"
import * as samples from "@effect-oci/testing/RegistrySamples"
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Context, Effect, Exit, Layer, Stream } from "effect"
import { Route } from "../src/index.js"
import { uploadInstead } from "../src/internal/uploadInstead.js"
import * as laws from "./laws.js"

const name = RepositoryName.make
const { digest, repository } = samples
const base = name("team/base")

/** Creates a registry that records the operations that reach it with its name. */
const recording = (of: string, seen: Array<string>, next: Handler.Handler = samples.known) =>
  Registry.fromHandler((operation) => {
    seen.push(`${of} ${operation._tag}`)
    return next(operation)
  })

/** Creates two members and the registry behind them. */
const three = (seen: Array<string>): Handler.Handler =>
  Route.middleware([
    { name: "app", select: ReferenceSet.repository("team/app"), registry: recording("app", seen) },
    { name: "team", select: ReferenceSet.prefix("team/"), registry: recording("team", seen) }
  ])(recording("rest", seen).handle)

const listed = (handler: Handler.Handler, options: { last?: RepositoryName.RepositoryName; limit?: number } = {}) =>
  Effect.map(Stream.runCollect(Registry.fromHandler(handler).listRepositories(options)), Chunk.toReadonlyArray)

const listing = (...names: ReadonlyArray<string>) =>
  Registry.fromHandler(Handler.override(samples.known, {
    ListRepositories: ({ last }) =>
      Effect.succeed(
        Stream.fromIterable(names.map((each) => name(each)).filter((each) => last === undefined || each > last))
      )
  }))

/** Creates a registry that continues after `last` in another order than ASCII. */
const inOwnOrder = (names: ReadonlyArray<string>) =>
  Registry.fromHandler(Handler.override(samples.known, {
    ListRepositories: ({ last }) => {
      const order = (path: string) => path.replaceAll("/", "\0")
      const after = names.filter((each) => last === undefined || order(each) > order(last))
      return Effect.succeed(Stream.fromIterable(after.map((each) => name(each))))
    }
  }))

const numbered = Array.from({ length: 2001 }, (_, index) => `a/${1001 + index}`)

describe("Route", () => {
  describe.each(samples.tags.filter((tag) => tag !== "ListRepositories").map((tag) => ({ tag })))("$tag", ({ tag }) => {
    it.effect.each([
      { repository: "team/app", member: "app" },
      { repository: "team/base", member: "team" },
      { repository: "team", member: "rest" },
      { repository: "teams/app", member: "rest" }
    ])("sends an operation on $repository to $member", ({ member, repository }) =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        const operation = Operation.mapRepositories(samples.operations[tag], () => name(repository))
        const answer = yield* samples.answerOf(three(seen), operation)
        expect(seen).toEqual([`${member} ${tag}`])
        expect(answer).toEqual(yield* samples.answerOf(samples.known, operation))
      }))

    it.effect("is refused if no member has the repository", () =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        const layer = Route.layer([
          { name: "other", select: ReferenceSet.prefix("other/"), registry: recording("other", seen) }
        ])
        const { handle } = yield* Effect.provide(Registry, layer)
        const operation = samples.operations[tag]
        if (tag === "ListReferrers") {
          expect(yield* samples.answerOf(handle, operation)).toEqual(Exit.succeed(Chunk.empty()))
          return expect(seen).toEqual([])
        }
        const error = yield* Effect.flip(Effect.flatten(samples.answerOf(handle, operation)))
        const expected = tag === "ResolveBlob" || tag === "GetBlob"
          ? "OciBlobUnknown"
          : Operation.isRead(operation)
          ? "OciNameUnknown"
          : "OciDenied"
        expect(error).toMatchObject({ _tag: expected, ...Operation.errorFields(operation) })
        if (expected === "OciDenied") {
          expect(error.message).toContain("no member of the route has this repository (option select)")
        }
        expect(seen).toEqual([])
      }))
  })

  it("returns the effect of a member unchanged", () => {
    const answer = Effect.succeed(samples.descriptor)
    const registry = Registry.fromHandler(Handler.override(samples.known, { ResolveBlob: () => answer }))
    const handle = Route.middleware([{ name: "all", select: ReferenceSet.prefix("team/"), registry }])(samples.known)
    expect(handle(samples.operations.ResolveBlob)).toBe(answer)
  })

  describe("mounts", () => {
    it.effect.each<{ name: string; from: string | undefined; seen: string }>([
      { name: "within a member", from: "team/other", seen: "team MountBlob" },
      { name: "from another member", from: "team/app", seen: "team StartUpload" },
      { name: "from the next registry", from: "library/tool", seen: "team StartUpload" },
      { name: "without a source", from: undefined, seen: "team StartUpload" }
    ])("$name: $seen", ({ from, seen }) =>
      Effect.gen(function*() {
        const reached: Array<string> = []
        const operation = new Operation.MountBlob({
          repository: base,
          digest,
          from: from === undefined ? undefined : name(from)
        })
        expect(yield* three(reached)(operation)).toMatchObject({ _tag: "UploadStarted" })
        expect(reached).toEqual([seen])
      }))
  })

  describe("the list of repositories", () => {
    const handle = Route.middleware([
      { name: "a", select: ReferenceSet.prefix("a/"), registry: listing("a/x", "a/y", "b/hidden", "z") },
      { name: "both", select: ReferenceSet.prefix("a/", "c/"), registry: listing("a/not-its-own", "c/x", "c/y") }
    ])(listing("a", "a/not-its-own", "b", "b/x", "d").handle)
    it.effect.each<{ name: string; options: { last?: string; limit?: number }; names: ReadonlyArray<string> }>([
      {
        name: "contains the repositories of each member",
        options: {},
        names: ["a", "a/x", "a/y", "b", "b/x", "c/x", "c/y", "d"]
      },
      { name: "starts after a name", options: { last: "a/y" }, names: ["b", "b/x", "c/x", "c/y", "d"] },
      { name: "applies the limit to the merged list", options: { last: "a", limit: 3 }, names: ["a/x", "a/y", "b"] }
    ])("$name", ({ names, options: { last, limit } }) =>
      Effect.gen(function*() {
        const options = {
          ...(last === undefined ? {} : { last: name(last) }),
          ...(limit === undefined ? {} : { limit })
        }
        expect(yield* listed(handle, options)).toEqual(names)
      }))

    it.effect("sorts the list of a member, from any name on", () =>
      Effect.gen(function*() {
        const directories = ["team", "team/a", "team/b-c", "team-a", "team-a/b", "team.x", "tools"]
        const handle = Route.middleware([
          { name: "docker", select: ReferenceSet.prefix("none/"), registry: listing() }
        ])(inOwnOrder(directories).handle)
        const inOrder = [...directories].sort()
        expect(yield* listed(handle)).toEqual(inOrder)
        for (const [index, last] of inOrder.entries()) {
          expect(yield* listed(handle, { last: name(last) })).toEqual(inOrder.slice(index + 1))
        }
      }))

    it.effect("names the member whose list is out of order", () =>
      Effect.gen(function*() {
        const handle = Route.middleware([
          { name: "crooked", select: ReferenceSet.prefix("a/"), registry: listing(...numbered, "a/0") }
        ])(listing("b").handle)
        expect(yield* Effect.flip(listed(handle))).toMatchObject({
          _tag: "OciResponseInvalid",
          message:
            "ListRepositories: the list of crooked is out of order by more than 1000 items: \"a/0\" comes after \"a/2001\""
        })
      }))

    it.effect("fails if the list of a member fails", () =>
      Effect.gen(function*() {
        const error = new RegistryError.Unsupported({})
        const registry = Registry.fromHandler(samples.always(Answer.fail(error)))
        const handle = Route.middleware([{ name: "a", select: ReferenceSet.prefix("a/"), registry }])(samples.known)
        expect(yield* Effect.flip(listed(handle))).toBe(error)
      }))

    it.effect("is empty without members", () =>
      Effect.gen(function*() {
        const { handle } = yield* Effect.provide(Registry, Route.layer([]))
        expect(yield* listed(handle)).toEqual([])
      }))
  })

  it.effect("does not serve blobs of one member in another", () =>
    Effect.gen(function*() {
      const secret = name("secret/app")
      const { mountBlob, pushBlob, resolveBlob } = yield* Registry
      yield* pushBlob(secret, samples.descriptor, Body.bytes(samples.bytes))
      expect(yield* Effect.flip(resolveBlob(repository, digest))).toMatchObject({ _tag: "OciBlobUnknown" })
      for (const from of [secret, undefined]) {
        expect(yield* mountBlob(repository, digest, { from })).toMatchObject({ _tag: "UploadStarted" })
      }
      expect(yield* mountBlob(name("secret/b"), digest, { from: secret })).toMatchObject({ _tag: "Mounted" })
    }).pipe(Effect.provide(Route.layer([
      {
        name: "secret",
        select: ReferenceSet.prefix("secret/"),
        registry: Memory.layer({ anonymousMount: true })
      },
      { name: "team", select: ReferenceSet.prefix("team/"), registry: Memory.layer({ anonymousMount: true }) }
    ]))))

  describe("layers", () => {
    it.effect("builds a member once that is also used elsewhere", () =>
      Effect.gen(function*() {
        let built = 0
        const member = Layer.effect(
          Registry,
          Effect.sync(() => {
            built++
            return Registry.fromHandler(samples.known)
          })
        )
        const routed = Route.layer([
          { name: "a", select: ReferenceSet.prefix("a/"), registry: member },
          { name: "b", select: ReferenceSet.prefix("b/"), registry: member }
        ])
        class Other extends Context.Tag("Other")<Other, Registry["Type"]>() {}
        const other = Layer.effect(Other, Registry).pipe(Layer.provide(member))
        yield* Effect.provide(Effect.zip(Registry, Other), Layer.merge(routed, other))
        expect(built).toBe(1)
      }))

    it.effect("keeps requirements and errors of members separate", () =>
      Effect.gen(function*() {
        class Token extends Context.Tag("Token")<Token, string>() {}
        const needs = Layer.effect(Registry, Effect.map(Token, () => Registry.fromHandler(samples.known)))
        const fails = Layer.fail("no such host") as Layer.Layer<Registry, string>
        const routed: Layer.Layer<Registry, string, Token> = Route.layer([
          { name: "a", select: ReferenceSet.prefix("a/"), registry: needs },
          { name: "b", select: ReferenceSet.prefix("b/"), registry: fails },
          { name: "c", select: ReferenceSet.prefix("c/"), registry: Registry.fromHandler(samples.known) }
        ])
        const provided = Layer.provide(routed, Layer.succeed(Token, "t"))
        expect(yield* Effect.flip(Effect.provide(Registry, provided))).toBe("no such host")
      }))

    it.effect("sends all other repositories to the registry of a pipe", () =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        const layer = Registry.layerHandler(recording("rest", seen).handle).pipe(
          Route.wrap([{ name: "old", select: ReferenceSet.prefix("old/"), registry: recording("old", seen) }])
        )
        const { resolveBlob } = yield* Effect.provide(Registry, layer)
        yield* resolveBlob(name("old/app"), digest)
        yield* resolveBlob(name("new/app"), digest)
        expect(seen).toEqual(["old ResolveBlob", "rest ResolveBlob"])
      }))
  })

  describe("laws", () => {
    const anotherMemory = Effect.map(
      Layer.build(Memory.layer({ anonymousMount: true })),
      (context) => Context.get(context, Registry)
    )
    it("equals the next registry without members", () =>
      laws.same(Route.middleware([]), (next) => next, { filled: true, numRuns: 50 }))
    it("equals a member that has all repositories", () =>
      laws.same(
        (next) =>
          Route.middleware([{ name: "all", select: ReferenceSet.all, registry: Registry.fromHandler(next) }])(
            samples.always(Effect.die("the registry behind is asked"))
          ),
        (next) => next,
        { filled: true, numRuns: 50 }
      ))

    /** Makes one registry answer like two, between which blobs cannot be mounted. */
    const apart = (select: ReferenceSet.ReferenceSet): Middleware.Middleware => (next) =>
      Handler.override(next, {
        MountBlob: (operation) => {
          const side = (repository: RepositoryName.RepositoryName) => ReferenceSet.touches(select, { repository })
          const { from } = operation
          return from === undefined || side(from) !== side(operation.repository)
            ? uploadInstead(next, operation)
            : next(operation)
        }
      })
    it.each([ReferenceSet.repository("team/app"), ReferenceSet.prefix("team/"), ReferenceSet.none])(
      "two registries, one of them with %s, return the results of one registry",
      (select) =>
        laws.same(
          Effect.map(anotherMemory, (registry) => Route.middleware([{ name: "other", select, registry }])),
          apart(select),
          { numRuns: 50 }
        )
    )
  })
})
