import {
  Answer,
  BlobContent,
  Body,
  Handler,
  Middleware,
  Operation,
  Registry,
  RegistryError,
  RepositoryName
} from "@effect-oci/core"
import { Memory } from "@effect-oci/store"
import * as History from "@effect-oci/testing/History"
import * as samples from "@effect-oci/testing/RegistrySamples"
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Effect, Exit, Stream } from "effect"
import * as fc from "fast-check"
import { Sub } from "../src/index.js"
import * as laws from "./laws.js"

const name = RepositoryName.make
const prefix = name("tenants/one.x")
const sub = Sub.middleware({ prefix })

/** Creates a registry that records the operations that reach it. */
const recording =
  (seen: Array<Operation.Operation>, next: Handler.Handler = samples.known): Handler.Handler => (operation) => {
    seen.push(operation)
    return next(operation)
  }

const below = (repository: RepositoryName.RepositoryName) => name(`${prefix}/${repository}`)

const listing = (...names: ReadonlyArray<string>): Handler.Handler =>
  Handler.override(samples.known, {
    ListRepositories: ({ last }) =>
      Effect.succeed(
        Stream.fromIterable(names.map(name)).pipe(Stream.filter((each) => last === undefined || each > last))
      )
  })

const listed = (handler: Handler.Handler, options: { last?: RepositoryName.RepositoryName; limit?: number } = {}) =>
  Effect.map(Stream.runCollect(Registry.fromHandler(handler).listRepositories(options)), Chunk.toReadonlyArray)

describe("Sub", () => {
  it.effect.each(samples.tags.filter((tag) => tag !== "ListRepositories").map((tag) => ({ tag })))(
    "sends $tag below the prefix, and returns the same result",
    ({ tag }) =>
      Effect.gen(function*() {
        const operation = samples.operations[tag]
        const seen: Array<Operation.Operation> = []
        const answer = yield* samples.answerOf(sub(recording(seen)), operation)
        expect(seen).toEqual([Operation.mapRepositories(operation, below)])
        expect(answer).toEqual(yield* samples.answerOf(samples.known, operation))
      })
  )

  it("names every repository of any operation below the prefix, or refuses the name", () =>
    fc.assert(fc.asyncProperty(samples.anyOperation, async (operation) => {
      const seen: Array<Operation.Operation> = []
      const answer = await Effect.runPromise(samples.answerOf(sub(recording(seen)), operation))
      const names = Operation.repositories(operation).map(({ repository }) => repository)
      if (operation._tag === "ListRepositories" && operation.last !== undefined) names.push(operation.last)
      if (names.some((each) => each.length + prefix.length + 1 > 255)) {
        expect(seen).toEqual([])
        expect(answer).toEqual(Exit.fail(
          new RegistryError.NameInvalid({
            ...Operation.errorFields(operation),
            reason: "the name of the repository is too long for this part of the registry"
          })
        ))
      } else {
        expect(seen.flatMap(Operation.repositories)).toEqual(
          Operation.repositories(operation).map(({ action, repository }) => ({ action, repository: below(repository) }))
        )
      }
    })))

  it.effect.each([
    { length: 255 - prefix.length - 1, outcome: "passes" },
    { length: 255 - prefix.length, outcome: "OciNameInvalid" }
  ])("a name of $length characters: $outcome", ({ length, outcome }) =>
    Effect.gen(function*() {
      const repository = name("x".repeat(length))
      const seen: Array<Operation.Operation> = []
      const operation = new Operation.ResolveBlob({ repository, digest: samples.digest })
      const result = yield* Effect.match(sub(recording(seen))(operation), {
        onFailure: ({ _tag }) => _tag,
        onSuccess: () => "passes"
      })
      expect(result).toBe(outcome)
      expect(seen).toHaveLength(outcome === "passes" ? 1 : 0)
    }))

  it("returns a result at once that is available at once", () => {
    const answer = Effect.succeed(samples.descriptor)
    const registry = sub(Handler.fromTable({ ...samples.answers, ResolveBlob: () => answer }))
    expect(registry(samples.operations.ResolveBlob)).toBe(answer)
    const failing = sub(
      samples.always(Answer.fail(new RegistryError.Denied({ repository: below(samples.repository) })))
    )
    expect(Answer.settled(failing(samples.operations.ResolveBlob)))
      .toEqual(Exit.fail(new RegistryError.Denied({ repository: samples.repository })))
  })

  describe("errors name what the caller knows", () => {
    const inner = {
      operation: "GetManifest",
      repository: below(samples.repository),
      reference: "v1",
      reason: `no ${prefix}/team/app at https://r.example/v2/${prefix}/team/app/manifests/v1, nor x/${prefix}/y`,
      detail: [{ name: `${prefix}/team/app`, at: { [`${prefix}/b`]: 1 } }],
      status: 404,
      diagnostics: [{ code: "NAME_UNKNOWN", message: `"${prefix}/team/app"`, detail: { Name: `${prefix}/team/app` } }]
    } as const
    const outer = {
      operation: "GetManifest",
      repository: samples.repository,
      reference: "v1",
      reason: `no team/app at https://r.example/v2/team/app/manifests/v1, nor x/${prefix}/y`,
      detail: [{ name: "team/app", at: { b: 1 } }],
      status: 404,
      diagnostics: [{ code: "NAME_UNKNOWN", message: "\"team/app\"", detail: { Name: "team/app" } }]
    } as const

    it.effect.each<{ name: string; error: RegistryError.RegistryError; expected: RegistryError.RegistryError }>([
      {
        name: "in its fields",
        error: new RegistryError.NameUnknown(inner),
        expected: new RegistryError.NameUnknown(outer)
      },
      {
        name: "in a URL",
        error: new RegistryError.TransportError({ url: `https://r.example/v2/${prefix}/a/tags/list` }),
        expected: new RegistryError.TransportError({ url: "https://r.example/v2/a/tags/list" })
      },
      {
        name: "in the errors of members",
        error: new RegistryError.PartialFailure({
          ...inner,
          outcomes: [{ name: "a", error: new RegistryError.Denied(inner) }, { name: "b", error: undefined }]
        }),
        expected: new RegistryError.PartialFailure({
          ...outer,
          outcomes: [{ name: "a", error: new RegistryError.Denied(outer) }, { name: "b", error: undefined }]
        })
      }
    ])("$name", ({ error, expected }) =>
      Effect.gen(function*() {
        for (
          const next of [samples.always(Answer.fail(error)), samples.suspended(samples.always(Answer.fail(error)))]
        ) {
          const found = yield* Effect.flip(sub(next)(samples.operations.ResolveManifest))
          expect(found).toEqual(expected)
          expect(found.message).toBe(expected.message)
        }
      }))

    it.effect("cuts deeply nested details, and keeps the cause", () =>
      Effect.gen(function*() {
        let detail: unknown = `${prefix}/a`
        for (let depth = 0; depth < 100_000; depth++) detail = [detail]
        const cause = new Error("socket")
        const error = new RegistryError.Denied({ detail, cause })
        const found = yield* Effect.flip(sub(samples.always(Answer.fail(error)))(samples.operations.ResolveBlob))
        expect(JSON.stringify(found.detail).length).toBeLessThan(100)
        expect(found.cause).toBe(cause)
      }))

    const broken = new RegistryError.TransportError({ repository: below(samples.repository), reason: "reset" })
    const expected = new RegistryError.TransportError({ repository: samples.repository, reason: "reset" })
    it.effect.each<{ name: string; tag: Operation.OperationTag; next: Handler.Handler }>([
      {
        name: "content from a stream",
        tag: "GetBlob",
        next: Handler.override(samples.known, {
          GetBlob: () =>
            Effect.succeed(new BlobContent.BlobContent({ ...samples.streamed, body: Body.stream(Stream.fail(broken)) }))
        })
      },
      {
        name: "content from a native source",
        tag: "GetBlob",
        next: Handler.override(samples.known, {
          GetBlob: () =>
            Effect.succeed(
              new BlobContent.BlobContent({
                ...samples.native,
                body: Body.fromSource((sink) => {
                  queueMicrotask(() => sink.fail(broken))
                  return { resume: () => {}, cancel: () => {} }
                })
              })
            )
        })
      },
      {
        name: "repositories",
        tag: "ListRepositories",
        next: Handler.override(samples.known, { ListRepositories: () => Effect.succeed(Stream.fail(broken)) })
      },
      {
        name: "tags",
        tag: "ListTags",
        next: Handler.override(samples.known, { ListTags: () => Effect.succeed(Stream.fail(broken)) })
      },
      {
        name: "referrers",
        tag: "ListReferrers",
        next: Handler.override(samples.known, { ListReferrers: () => Effect.succeed(Stream.fail(broken)) })
      }
    ])("in later errors: $name", ({ next, tag }) =>
      Effect.gen(function*() {
        expect(yield* samples.answerOf(sub(next), samples.operations[tag])).toEqual(Exit.fail(expected))
      }))
  })

  describe("the list of repositories", () => {
    const registry = Sub.middleware({ prefix: name("a") })(
      listing("a", "a-x", "a.x/y", "a/b", "a/b/c", "a/b-c", "a/d", "a0", "a0/b", "b/a/c")
    )
    it.effect.each<{ name: string; options: { last?: string; limit?: number }; names: ReadonlyArray<string> }>([
      { name: "all of it", options: {}, names: ["b", "b/c", "b-c", "d"] },
      { name: "from a name", options: { last: "b-c" }, names: ["b/c", "d"] },
      { name: "the limit counts what is listed", options: { limit: 2 }, names: ["b", "b/c"] },
      { name: "none", options: { limit: 0 }, names: [] },
      { name: "past the end", options: { last: "zz" }, names: [] }
    ])("$name", ({ names, options: { last, limit } }) =>
      Effect.gen(function*() {
        const options = {
          ...(last === undefined ? {} : { last: name(last) }),
          ...(limit === undefined ? {} : { limit })
        }
        expect(yield* listed(registry, options)).toEqual(names)
      }))

    it.effect("stops reading after the last name below the prefix", () =>
      Effect.gen(function*() {
        let read = 0
        const endless = Stream.iterate(0, (n) => n + 1).pipe(
          Stream.rechunk(1),
          Stream.map((n) => name(n < 3 ? `a/${n}` : `b/${n}`)),
          Stream.tap(() => Effect.sync(() => void read++))
        )
        const registry = Handler.override(samples.known, { ListRepositories: () => Effect.succeed(endless) })
        expect(yield* listed(Sub.middleware({ prefix: name("a") })(registry))).toEqual(["0", "1", "2"])
        expect(read).toBe(4)
      }))
  })

  describe("laws", () => {
    const [a, b] = [name("a"), name("b/c")]
    it("Sub(a) wrapped by Sub(b) is Sub(a/b)", () =>
      laws.same(
        laws.stack(Sub.middleware({ prefix: a }), Sub.middleware({ prefix: b })),
        Sub.middleware({ prefix: name(`${a}/${b}`) })
      ))
    it("Sub of an empty registry is empty, also beside other repositories", () =>
      fc.assert(
        fc.asyncProperty(History.history(20), History.history(20), async (before, history) => {
          expect(await laws.results(Sub.middleware({ prefix: name("team/x") }), before, history))
            .toEqual(await laws.results(Middleware.identity, [], history, Memory.layer()))
        }),
        { seed: 20_261_121 }
      ))
    it("the same holds for errors", () =>
      fc.assert(fc.asyncProperty(samples.anyOperation, async (operation) => {
        const next: Handler.Handler = (received) =>
          Answer.fail(
            new RegistryError.Denied({ ...Operation.errorFields(received), detail: Operation.repositories(received) })
          )
        const [one, other] = await Effect.runPromise(Effect.all([
          samples.answerOf(Sub.middleware({ prefix: b })(Sub.middleware({ prefix: a })(next)), operation),
          samples.answerOf(Sub.middleware({ prefix: name(`${a}/${b}`) })(next), operation)
        ]))
        expect(one).toEqual(other)
      })))
  })

  it.effect("hides repositories outside the prefix, also from mounts", () =>
    Effect.gen(function*() {
      const { handle, pushBlob } = yield* Registry
      yield* pushBlob(name("other/secret"), samples.descriptor, Body.bytes(samples.bytes))
      yield* pushBlob(name("team/app"), samples.descriptor, Body.bytes(samples.bytes))
      const team = Registry.fromHandler(Sub.middleware({ prefix: name("team") })(handle))
      expect(yield* listed(team.handle)).toEqual(["app"])
      const { digest } = samples
      expect(yield* Effect.flip(team.resolveBlob(name("other/secret"), digest))).toMatchObject({
        _tag: "OciBlobUnknown"
      })
      expect(yield* team.mountBlob(name("b"), digest, { from: name("other/secret") }))
        .toMatchObject({ _tag: "UploadStarted" })
      expect(yield* team.mountBlob(name("b"), digest, { from: name("app") })).toMatchObject({ _tag: "Mounted" })
      expect(yield* listed(handle)).toEqual(["other/secret", "team/app", "team/b"])
    }).pipe(Effect.provide(Memory.layer())))

  it.effect("wraps a layer in a new layer at each call", () =>
    Effect.gen(function*() {
      const base = Registry.layerHandler(listing("team/app"))
      const registry = yield* Effect.provide(Registry, base.pipe(Sub.wrap({ prefix: name("team") })))
      expect(yield* listed(registry.handle)).toEqual(["app"])
      expect(Sub.layer({ prefix })).not.toBe(Sub.layer({ prefix }))
    }))
})
