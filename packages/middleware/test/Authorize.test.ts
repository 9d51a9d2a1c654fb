import { Body, Caller, Handler, Operation, Registry, RegistryError, RepositoryName } from "@effect-oci/core"
import { Memory } from "@effect-oci/store"
import * as samples from "@effect-oci/testing/RegistrySamples"
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Effect, Exit, Stream } from "effect"
import * as fc from "fast-check"
import { Authorize } from "../src/index.js"
import * as laws from "./laws.js"

const name = RepositoryName.make
const { digest, repository } = samples
const base = name("team/base")
const alice: Caller.Identity = { name: "alice", claims: {} }
const as = (caller: Caller.Identity) => Effect.provideService(Caller.Caller, caller)

/** The requests to the policy for each of the samples, in order. */
const questions: { readonly [Tag in Operation.OperationTag]: ReadonlyArray<string> } = {
  ResolveBlob: ["pull team/app"],
  GetBlob: ["pull team/app"],
  ResolveManifest: ["pull team/app"],
  GetManifest: ["pull team/app"],
  PushBlob: ["push team/app"],
  MountBlob: ["push team/app", "pull team/base"],
  StartUpload: ["push team/app"],
  GetUpload: ["push team/app"],
  AppendUpload: ["push team/app"],
  CompleteUpload: ["push team/app"],
  CancelUpload: ["push team/app"],
  PushManifest: ["push team/app"],
  DeleteBlob: ["delete team/app"],
  DeleteManifest: ["delete team/app"],
  DeleteTag: ["delete team/app"],
  // The last request is for the only name in the list.
  ListRepositories: ["list", "pull team/app"],
  ListTags: ["pull team/app"],
  ListReferrers: ["pull team/app"]
}

const question = ({ action, repository }: Authorize.Request) =>
  repository === undefined ? action : `${action} ${repository}`

/** Creates a registry that records the operations that reach it. */
const recording = (seen: Array<string>, next: Handler.Handler = samples.known): Handler.Handler => (operation) => {
  seen.push(operation._tag)
  return next(operation)
}

const policy = (allowed: (question: string) => boolean, received: Array<string> = []) =>
  Authorize.middleware({
    allow: (request) =>
      Effect.sync(() => {
        received.push(question(request))
        return allowed(question(request))
      })
  })

describe("Authorize", () => {
  describe.each(samples.tags.map((tag) => ({ tag })))("$tag", ({ tag }) => {
    const operation = samples.operations[tag]

    it.effect("calls the policy for each repository of the operation, and forwards the operation", () =>
      Effect.gen(function*() {
        const [received, seen]: [Array<string>, Array<string>] = [[], []]
        const answer = yield* samples.answerOf(policy(() => true, received)(recording(seen)), operation)
        expect(received).toEqual(questions[tag])
        expect(seen).toEqual([tag])
        expect(answer).toEqual(yield* samples.answerOf(samples.known, operation))
      }))

    it.effect.each([
      { caller: alice, error: "OciDenied" },
      { caller: Caller.anonymous, error: "OciUnauthorized" }
    ])("fails with $error, and does not reach the registry", ({ caller, error }) =>
      Effect.gen(function*() {
        const [received, seen]: [Array<string>, Array<string>] = [[], []]
        const answer = yield* as(caller)(samples.answerOf(policy(() => false, received)(recording(seen)), operation))
        expect(yield* Effect.flip(answer)).toMatchObject({ _tag: error, ...Operation.errorFields(operation) })
        expect(received).toEqual(questions[tag].slice(0, 1))
        expect(seen).toEqual([])
      }))

    it.effect("fails with the policy's error", () =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        const error = new RegistryError.Unavailable({ reason: "the policy cannot be asked" })
        for (const broken of [Effect.fail(error), Effect.die(error)]) {
          const handle = Authorize.middleware({ allow: () => broken })(recording(seen))
          expect(Exit.isFailure(yield* samples.answerOf(handle, operation))).toBe(true)
        }
        expect(seen).toEqual([])
      }))
  })

  it("calls the policy for exactly one action of each operation", () =>
    fc.assert(fc.asyncProperty(samples.anyOperation, async (operation) => {
      for (const action of ["pull", "push", "delete", "list"]) {
        const seen: Array<string> = []
        const handle = policy((question) => question.startsWith(action))(recording(seen))
        await Effect.runPromise(samples.answerOf(handle, operation))
        const access = Operation.access(operation)
        const needed = operation._tag === "ListRepositories"
          ? "list"
          : access === "delete"
          ? "delete"
          : access === "write"
          ? "push"
          : "pull"
        expect(seen.length).toBe(needed === action ? 1 : 0)
      }
    })))

  it.effect.each<
    { name: string; decision: boolean | Authorize.Decision; tag: Operation.OperationTag; message: string }
  >([
    {
      name: "the refused action",
      decision: false,
      tag: "PushManifest",
      message: `PushManifest team/app@${digest}: "alice" is not authorized to push to team/app`
    },
    {
      name: "the refused list",
      decision: { allowed: false },
      tag: "ListRepositories",
      message: "ListRepositories: \"alice\" is not authorized to list the repositories of this registry"
    },
    {
      name: "the policy's reason",
      decision: { allowed: false, reason: "releases are frozen until Monday" },
      tag: "DeleteTag",
      message: "DeleteTag team/app:v1: releases are frozen until Monday"
    }
  ])("says $name", ({ decision, tag, message }) =>
    Effect.gen(function*() {
      const handle = Authorize.middleware({ allow: () => Effect.succeed(decision) })(samples.known)
      const error = yield* as(alice)(Effect.flip(Effect.scoped(handle(samples.operations[tag]))))
      expect(error.message).toBe(message)
    }))

  it.effect("forwards an operation if the decision object allows it", () =>
    Effect.gen(function*() {
      const handle = Authorize.middleware({ allow: () => Effect.succeed({ allowed: true }) })(samples.known)
      expect(yield* handle(samples.operations.MountBlob)).toMatchObject({ _tag: "UploadStarted" })
      expect(yield* handle(samples.operations.DeleteTag)).toBe(Operation.done)
    }))

  describe("mounts", () => {
    it.effect.each([
      { name: "from a repository with pull permission", from: base, readable: true, seen: "MountBlob" },
      { name: "from a repository without pull permission", from: base, readable: false, seen: "StartUpload" },
      { name: "without a source", from: undefined, readable: true, seen: "StartUpload" }
    ])("$name: $seen", ({ from, readable, seen }) =>
      Effect.gen(function*() {
        const reached: Array<string> = []
        const handle = policy((question) => readable || question.startsWith("push"))(recording(reached))
        yield* handle(new Operation.MountBlob({ repository, digest, from }))
        expect(reached).toEqual([seen])
      }))
  })

  describe("the list of repositories", () => {
    const names = Array.from({ length: 100 }, (_, index) => name(`${index % 3 === 0 ? "own" : "other"}/${index + 100}`))
    const listing = (operations: Array<Operation.ListRepositories>) =>
      Handler.override(samples.known, {
        ListRepositories: (operation) => {
          operations.push(operation)
          return Effect.succeed(Stream.fromIterable(names))
        }
      })
    const listed = (
      options: Omit<Authorize.Options, "allow">,
      { last, limit }: { last?: RepositoryName.RepositoryName; limit?: number } = {}
    ) =>
      Effect.gen(function*() {
        const [operations, questions]: [Array<Operation.ListRepositories>, Array<string>] = [[], []]
        const handle = Authorize.middleware({
          ...options,
          allow: (request) =>
            Effect.sync(() => {
              questions.push(question(request))
              return !question(request).startsWith("pull other/")
            })
        })(listing(operations))
        const all = yield* Effect.flatMap(handle(new Operation.ListRepositories({ last, limit })), Stream.runCollect)
        return { operations, questions, names: Chunk.toReadonlyArray(all) }
      })
    const ownNames = names.filter((each) => each.startsWith("own"))

    it.effect("contains the repositories from which the caller may pull, in order", () =>
      Effect.gen(function*() {
        expect((yield* listed({})).names).toEqual(ownNames)
      }))
    it.effect("calls the policy only for listed repositories and those checked at the same time", () =>
      Effect.gen(function*() {
        const { operations, names: found, questions } = yield* listed({}, { last: name("a"), limit: 3 })
        expect(found).toEqual(ownNames.slice(0, 3))
        expect(operations).toEqual([new Operation.ListRepositories({ last: name("a") })])
        expect(questions.length).toBeLessThanOrEqual(1 + 16)
      }))
    it.effect("contains all repositories with catalog: \"whole\"", () =>
      Effect.gen(function*() {
        const { operations, names: found, questions } = yield* listed({ catalog: "whole" }, { limit: 7 })
        expect(found).toEqual(names)
        expect(operations).toEqual([new Operation.ListRepositories({ limit: 7 })])
        expect(questions).toEqual(["list"])
      }))
    it.effect("fails with the policy's error", () =>
      Effect.gen(function*() {
        const error = new RegistryError.Unavailable({})
        const handle = Authorize.middleware({
          allow: ({ action }) => action === "list" ? Effect.succeed(true) : Effect.fail(error)
        })(listing([]))
        const names = yield* handle(new Operation.ListRepositories({}))
        expect(yield* Effect.flip(Stream.runDrain(names))).toBe(error)
      }))
  })

  it.effect("refuses with the same error whether the content exists or not", () =>
    Effect.gen(function*() {
      const tellAll = (there: boolean) =>
        Effect.gen(function*() {
          const registry = yield* Registry
          if (there) {
            yield* registry.pushBlob(repository, samples.descriptor, Body.bytes(samples.bytes))
            yield* registry.pushManifest(repository, { mediaType: "x/y", bytes: samples.bytes, tags: [samples.tag] })
          }
          const handle = policy((question) => !question.endsWith("team/app"))(registry.handle)
          return yield* Effect.forEach(samples.tags, (tag) => {
            const operation = tag === "MountBlob"
              ? new Operation.MountBlob({ repository: name("own"), digest, from: repository })
              : tag === "ListRepositories"
              ? new Operation.ListRepositories({})
              : samples.operations[tag]
            return Effect.map(
              samples.answerOf(handle, operation),
              (answer) => JSON.stringify(answer).replace(/"id":"[^"]*"/, "\"id\":\"\"")
            )
          })
        }).pipe(as(alice), Effect.provide(Memory.layer({ anonymousMount: true })))
      expect(yield* tellAll(true)).toEqual(yield* tellAll(false))
    }))

  it.effect("reads the caller at each operation", () =>
    Effect.gen(function*() {
      const callers: Array<string | undefined> = []
      const base = Registry.layerHandler(samples.known).pipe(Authorize.wrap({
        allow: ({ caller }) => {
          callers.push(caller.name)
          return Effect.succeed(caller.name === "alice")
        }
      }))
      const registry = yield* Effect.provide(Registry, base).pipe(as({ name: "builder", claims: {} }))
      const resolve = registry.resolveBlob(repository, digest)
      expect(yield* as(alice)(resolve)).toEqual(samples.descriptor)
      expect(yield* as({ name: "alice2", claims: {} })(Effect.flip(resolve))).toMatchObject({ _tag: "OciDenied" })
      expect(yield* Effect.flip(resolve)).toMatchObject({ _tag: "OciUnauthorized" })
      expect(callers).toEqual(["alice", "alice2", undefined])
      expect(Authorize.layer({ allow: () => Effect.succeed(true) })).not.toBe(base)
    }))

  it("changes nothing with a policy that allows everything", () =>
    laws.same(
      policy(() => true),
      (next) => (operation) =>
        operation._tag === "MountBlob" && operation.from === undefined
          ? policy(() => true)(next)(operation)
          : next(operation),
      { filled: true, numRuns: 60 }
    ))
})
