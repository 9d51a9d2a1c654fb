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
import { Memory } from "@effect-oci/store"
import * as samples from "@effect-oci/testing/RegistrySamples"
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Effect, Exit, Stream } from "effect"
import * as fc from "fast-check"
import { Route, Sub, Under } from "../src/index.js"
import { uploadInstead } from "../src/internal/uploadInstead.js"
import * as laws from "./laws.js"

const name = RepositoryName.make
const prefix = name("docker.io")
const under = Under.middleware({ prefix })

/** Creates a registry that records the operations that reach it. */
const recording =
  (seen: Array<Operation.Operation>, next: Handler.Handler = samples.known): Handler.Handler => (operation) => {
    seen.push(operation)
    return next(operation)
  }

const above = (repository: RepositoryName.RepositoryName) => name(`${prefix}/${repository}`)

const listed = (handler: Handler.Handler, options: { last?: RepositoryName.RepositoryName; limit?: number } = {}) =>
  Effect.map(Stream.runCollect(Registry.fromHandler(handler).listRepositories(options)), Chunk.toReadonlyArray)

describe("Under", () => {
  it.effect.each(samples.tags.filter((tag) => tag !== "ListRepositories").map((tag) => ({ tag })))(
    "sends $tag without the prefix, and returns the same result",
    ({ tag }) =>
      Effect.gen(function*() {
        const operation = samples.operations[tag]
        const seen: Array<Operation.Operation> = []
        const answer = yield* samples.answerOf(
          under(recording(seen)),
          Operation.mapRepositories(operation, above)
        )
        expect(seen).toEqual([operation])
        expect(answer).toEqual(yield* samples.answerOf(samples.known, operation))
      })
  )

  it("never passes on the name of a repository outside the prefix", () =>
    fc.assert(fc.asyncProperty(samples.anyOperation, async (operation) => {
      const seen: Array<Operation.Operation> = []
      const outcome = await Effect.runPromise(samples.answerOf(under(recording(seen)), operation))
      const names = Operation.repositories(operation).map(({ repository }) => repository)
      if (names.some((each) => !each.startsWith(`${prefix}/`))) {
        expect(seen).toEqual([])
        expect(outcome).not.toEqual(await Effect.runPromise(samples.answerOf(samples.known, operation)))
      }
    })))

  it.effect("starts an upload session instead of a mount from outside the prefix", () =>
    Effect.gen(function*() {
      const seen: Array<Operation.Operation> = []
      const mount = new Operation.MountBlob({
        repository: above(name("app")),
        digest: samples.digest,
        from: name("quay.io/app")
      })
      expect(yield* under(recording(seen))(mount)).toMatchObject({ _tag: "UploadStarted" })
      expect(seen).toMatchObject([{ _tag: "StartUpload", repository: "app" }])
    }))

  it.effect("puts the prefix into the repositories of errors, also of members", () =>
    Effect.gen(function*() {
      const inner = { operation: "GetManifest", repository: samples.repository, reference: "v1", status: 404 } as const
      const outer = { ...inner, repository: above(samples.repository) }
      const error = new RegistryError.PartialFailure({
        ...inner,
        outcomes: [{ name: "a", error: new RegistryError.Denied(inner) }, { name: "b", error: undefined }]
      })
      const operation = Operation.mapRepositories(samples.operations.ResolveManifest, above)
      const found = yield* Effect.flip(under(samples.always(Answer.fail(error)))(operation))
      expect(found).toEqual(
        new RegistryError.PartialFailure({
          ...outer,
          outcomes: [{ name: "a", error: new RegistryError.Denied(outer) }, { name: "b", error: undefined }]
        })
      )
      expect(found.message).toContain("docker.io/team/app:v1")
    }))

  it("returns a result at once that is available at once", () => {
    const answer = Effect.succeed(samples.descriptor)
    const registry = under(Handler.fromTable({ ...samples.answers, ResolveBlob: () => answer }))
    expect(registry(Operation.mapRepositories(samples.operations.ResolveBlob, above))).toBe(answer)
    expect(Answer.settled(registry(samples.operations.ResolveBlob))).toMatchObject(
      Exit.fail({ _tag: "OciBlobUnknown" })
    )
  })

  describe("the list of repositories", () => {
    const next: Handler.Handler = Handler.override(samples.known, {
      ListRepositories: ({ last, limit = Infinity }) =>
        Effect.succeed(Stream.fromIterable(
          ["a", "b-x", "b/c", "d"].map(name).filter((each) => last === undefined || each > last).slice(0, limit)
        ))
    })
    it.effect.each<{ title: string; options: { last?: string; limit?: number }; names: ReadonlyArray<string> }>([
      { title: "all of it", options: {}, names: ["a", "b-x", "b/c", "d"] },
      { title: "from a name", options: { last: "docker.io/b-x" }, names: ["b/c", "d"] },
      { title: "from a name before the prefix", options: { last: "docker.io" }, names: ["a", "b-x", "b/c", "d"] },
      {
        title: "from a name that sorts before the slash",
        options: { last: "docker.io-x/z" },
        names: ["a", "b-x", "b/c", "d"]
      },
      { title: "from a name after the prefix", options: { last: "docker.io0" }, names: [] },
      { title: "with a limit", options: { last: "docker.io/a", limit: 2 }, names: ["b-x", "b/c"] }
    ])("$title", ({ names, options: { last, limit } }) =>
      Effect.gen(function*() {
        const options = {
          ...(last === undefined ? {} : { last: name(last) }),
          ...(limit === undefined ? {} : { limit })
        }
        expect(yield* listed(under(next), options)).toEqual(names.map((each) => `docker.io/${each}`))
      }))
  })

  describe("laws", () => {
    const a = name("team")
    it("Under(a) wrapped by Under(b) is Under(b/a)", () =>
      laws.same(
        laws.stack(Under.middleware({ prefix: name("app") }), Under.middleware({ prefix: a })),
        Under.middleware({ prefix: name(`${a}/app`) }),
        { numRuns: 40 }
      ))
    it("Under(a) wrapped by Sub(a) is the registry, but a mount without a source starts an upload session", () =>
      laws.same(
        laws.stack(Under.middleware({ prefix: a }), Sub.middleware({ prefix: a })),
        (next) =>
          Handler.override(next, {
            MountBlob: (operation) => operation.from === undefined ? uploadInstead(next, operation) : next(operation)
          }),
        { numRuns: 40 }
      ))
  })

  it.effect("gives each of several registries a part of one namespace", () =>
    Effect.gen(function*() {
      const { handle, pushBlob, resolveBlob } = yield* Registry
      yield* pushBlob(name("docker.io/app"), samples.descriptor, Body.bytes(samples.bytes))
      expect(yield* Effect.flip(resolveBlob(name("quay.io/app"), samples.digest))).toMatchObject({
        _tag: "OciBlobUnknown",
        repository: "quay.io/app"
      })
      yield* pushBlob(name("quay.io/tool"), samples.descriptor, Body.bytes(samples.bytes))
      expect(yield* listed(handle)).toEqual(["docker.io/app", "quay.io/tool"])
      expect(yield* Effect.flip(pushBlob(name("ghcr.io/a"), samples.descriptor, Body.bytes(samples.bytes))))
        .toMatchObject({ _tag: "OciDenied" })
    }).pipe(Effect.provide(Route.layer(
      ["docker.io", "quay.io"].map((host) => ({
        name: host,
        select: ReferenceSet.prefix(`${host}/`),
        registry: Memory.layer().pipe(Under.wrap({ prefix: name(host) }))
      }))
    ))))
})
