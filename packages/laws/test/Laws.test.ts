import { Body, Digest, Handler, Operation, ReferenceSet, Registry, RepositoryName } from "@effect-oci/core"
import { Filter, Immutable, Logging, ReadOnly, Sub, Union } from "@effect-oci/middleware"
import { Memory } from "@effect-oci/store"
import { TagLaws } from "@effect-oci/testing"
import { hop } from "@effect-oci/testing/NodeHop"
import * as NodeSql from "@effect-oci/testing/NodeSql"
import * as NodeTemporary from "@effect-oci/testing/NodeTemporary"
import { afterAll, describe, expect, it } from "@effect/vitest"
import { Effect, LogLevel } from "effect"
import * as fc from "fast-check"
import { judge } from "../src/internal/judge.js"
import * as models from "../src/internal/models.js"
import * as Laws from "../src/Laws.js"
import * as SampleWorld from "../src/SampleWorld.js"
import * as Wrappers from "../src/Wrappers.js"

/** A subject that puts a server and a client between two wrappers. */
const between = fc.constant<Laws.Subject>({
  code: "a server and a client",
  model: models.hop,
  wrapper: Effect.suspend(() => {
    let behind: Handler.Handler
    const registry = Laws.open(hop(Registry.layerHandler((operation) => behind(operation))))
    return Effect.map(registry, ({ handle }) => (next) => {
      behind = next
      return handle
    })
  })
})

const readOnly: Laws.Subject = { code: "ReadOnly", wrapper: ReadOnly.middleware() }
const logging: Laws.Subject = { code: "Logging", wrapper: Logging.middleware({ level: LogLevel.Debug }) }
const sub = (prefix: string): Laws.Subject => ({
  code: `Sub(${prefix})`,
  wrapper: Sub.middleware({ prefix: RepositoryName.make(prefix) })
})
const filter = (...prefixes: ReadonlyArray<string>): Laws.Subject => ({
  code: `Filter(${prefixes.join(", ")})`,
  wrapper: Filter.middleware({ select: ReferenceSet.prefix(...prefixes) })
})

await Laws.suite("the wrappers", { wrappers: Wrappers.all, runs: 60 })
await Laws.suite("the wrappers with servers between them", {
  wrappers: [...Wrappers.all, between],
  backends: { "a server and a client": () => hop(Memory.layer()) },
  runs: 12,
  maxLength: 15,
  seed: 7
})

await Laws.suite("the wrappers on disk", {
  wrappers: Wrappers.all,
  backends: { "files and SQLite": () => NodeTemporary.durable() },
  runs: 8,
  maxLength: 15,
  seed: 11
})

const postgres = NodeSql.postgres()
afterAll(postgres.close)

await Laws.suite("the wrappers over PostgreSQL", {
  wrappers: Wrappers.all,
  backends: { "memory and PostgreSQL": () => postgres.registry() },
  runs: 4,
  maxLength: 12,
  seed: 17
})

it("no random stack has a wrapper over one that it refuses", () => {
  const stacks = fc.sample(Laws.stacks([Wrappers.transparent]), { numRuns: 500, seed: 1 })
  const callers = stacks.map((stack) => stack.flatMap((subject) => subject.callers ?? []).join(" "))
  expect(callers.filter((order) => /depends.*refuses/.test(order))).toEqual([])
  expect(callers.filter((order) => /refuses.*depends/.test(order)).length).toBeGreaterThan(10)
})

describe("each wrapper alone behaves as its model", () => {
  const { all: _, hop: __, transparent: ___, ...changing } = Wrappers
  it.live.each(Object.entries(changing))(
    "%s",
    ([, of]) =>
      Effect.map(Laws.lawful(fc.tuple(of), { runs: 30 }), ({ operations, succeeded }) => {
        expect(succeeded / operations).toBeGreaterThan(0.8)
      })
  )

  it.live("transparent wrappers change no result and no message", () =>
    Laws.sameOf(Wrappers.transparent.map((subject) => [subject, Laws.nothing] as const), { runs: 40 }))

  it.live("the histories contain successes of every kind of operation", () =>
    Effect.map(Laws.lawful(fc.tuple(Wrappers.transparent), { runs: 40 }), ({ kinds }) => {
      expect(kinds.size).toBe(18)
    }))
})

describe("equations", () => {
  const short = { runs: 25 }
  it.live.each<{ readonly name: string; readonly law: ReturnType<typeof Laws.same> }>([
    { name: "ReadOnly twice is ReadOnly", law: Laws.idempotent(readOnly, short) },
    {
      name: "Immutable twice is Immutable",
      law: Laws.idempotent({ code: "Immutable", wrapper: Immutable.middleware() }, short)
    },
    { name: "ReadOnly commutes with Logging", law: Laws.commutes(readOnly, logging, short) },
    {
      name: "Filter of all repositories is the identity",
      law: Laws.identity({ code: "Filter", wrapper: Filter.middleware({ select: ReferenceSet.all }) }, short)
    },
    { name: "Filters commute", law: Laws.commutes(filter("team/", "tools/"), filter("team/", "library/"), short) },
    {
      name: "Sub of Sub is Sub of both",
      law: Laws.same(Laws.compose(sub("a"), sub("b")), { ...sub("a/b") }, short)
    }
  ])("$name", ({ law }) => law)

  it.live("ReadOnly distributes over Union; a wrapper that does not is detected", () => {
    const shortLists: Laws.Subject = {
      code: "lists of one tag",
      wrapper: (next) =>
        Handler.override(next, { ListTags: (operation) => next(new Operation.ListTags({ ...operation, limit: 1 })) })
    }
    // A push with a condition resolves its tags before a member rejects it as read-only.
    const union = {
      code: "Union, without conditions",
      of: (members: ReadonlyArray<Handler.Handler>) => {
        const [first, second] = members.map((handle) => Registry.fromHandler(handle))
        const both = Union.middleware([{ name: "first", registry: first! }])(second!.handle)
        return Handler.override(both, {
          PushManifest: (operation) =>
            both(new Operation.PushManifest({ ...operation, ifAbsent: undefined, ifMatch: undefined }))
        })
      }
    }
    return Effect.zipRight(
      Laws.distributes(readOnly, union, short),
      Effect.flip(Laws.distributes(shortLists, union, { runs: 100 }))
    )
  })

  it.live("a broken law is detected", () =>
    Effect.gen(function*() {
      const broken = yield* Effect.flip(Laws.same(filter("team/"), Laws.nothing, short))
      expect(broken.message).toContain("the same: Filter(team/) is Middleware.identity (seed 20261121)")
      expect(broken.operations).toBeLessThan(3)
      expect((yield* Effect.flip(Laws.commutes(sub("a"), filter("a/"), short)))._tag).toBe("OciLawBroken")
    }))
})

describe("TagLaws.keepsTags holds", () => {
  it.live.each([{ conditional: true }, { conditional: false }])(
    "for Immutable, conditional: $conditional",
    (options) => TagLaws.keepsTags({ code: "Immutable", wrapper: Immutable.middleware(options) }, { runs: 60 })
  )
})

describe("a client refuses wrong content before the wrappers behind it refuse the operation", () => {
  const [app] = SampleWorld.repositories
  const [, hello, large] = SampleWorld.blobs
  const pushOf = (bytes: Uint8Array, digest: Digest.Digest) =>
    new Operation.PushBlob({
      repository: app!,
      descriptor: { mediaType: "application/octet-stream", digest, size: bytes.byteLength },
      body: Body.bytes(bytes)
    })
  const manifestAt = (index: number) =>
    new Operation.PushManifest({ repository: app!, ...SampleWorld.manifests[index]!, tags: [] })
  const operations = [
    { name: "a blob", operation: pushOf(hello!, Digest.fromBytes(hello!)), error: "OciUnsupported" },
    {
      name: "a blob with a wrong digest",
      operation: pushOf(hello!, Digest.fromBytes(large!)),
      error: "OciDigestInvalid"
    },
    { name: "a manifest", operation: manifestAt(0), error: "OciUnsupported" },
    { name: "an ambiguous manifest", operation: manifestAt(6), error: "OciManifestInvalid" },
    { name: "a manifest that is not JSON", operation: manifestAt(7), error: "OciUnsupported" }
  ]
  it.live.each(operations)("$name: $error", ({ error, operation }) =>
    Effect.gen(function*() {
      const { handle: behind } = yield* Laws.open(Memory.layer())
      const errorOf = (wrappers: ReadonlyArray<Laws.Wrapper>) =>
        Effect.map(
          Effect.flatMap(Laws.wrap(behind, wrappers), (handle) => Laws.perform(handle, operation)),
          ({ response }) => response.error
        )
      expect(yield* errorOf([ReadOnly.middleware(), Laws.hop])).toBe(error)
      expect(yield* errorOf([Laws.hop, ReadOnly.middleware()])).toBe("OciUnsupported")
    }).pipe(Effect.scoped))

  it.live("and the model of a client does too", () =>
    Laws.lawful(fc.tuple(fc.oneof(Wrappers.readOnly, Wrappers.authorize, Wrappers.filter), Wrappers.hop), {
      runs: 100,
      maxLength: 50
    }))
})

it.live("an immutable tag keeps the type of its content, also if its digest has another algorithm", () => {
  const repository = RepositoryName.make("tool")
  const bytes = new TextEncoder().encode(JSON.stringify({ typed: "by its push" }))
  const push = (type: string, digest?: Digest.Digest) =>
    new Operation.PushManifest({
      repository,
      mediaType: `application/vnd.example.${type}+json`,
      bytes,
      digest,
      tags: [SampleWorld.tags[0]!]
    })
  const script = [
    { operation: push("two", Digest.fromBytes(bytes, "sha512")), opens: "", behind: true },
    { operation: push("one"), opens: "", behind: false },
    { operation: push("two"), opens: "", behind: false }
  ]
  const verdictOf = (conditional: boolean) =>
    judge(
      Memory.layer(),
      [Immutable.middleware({ conditional })],
      [models.immutable(() => true, () => true, conditional)],
      script
    )
  return Effect.map(Effect.all([verdictOf(true), verdictOf(false)]), (verdicts) => {
    for (const { fault, succeeded } of verdicts) {
      expect({ fault, succeeded }).toEqual({ fault: undefined, succeeded: 1 })
    }
  })
})
