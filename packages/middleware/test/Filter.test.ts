import {
  Answer,
  Body,
  Caller,
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
import * as samples from "@effect-oci/testing/RegistrySamples"
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Effect, Exit, Stream } from "effect"
import * as fc from "fast-check"
import { Filter } from "../src/index.js"
import * as laws from "./laws.js"

const name = RepositoryName.make
const { digest, repository, tag } = samples

/** Creates a registry that records the operations that reach it. */
const recording =
  (seen: Array<Operation.OperationTag>, next: Handler.Handler = samples.known): Handler.Handler => (operation) => {
    seen.push(operation._tag)
    return next(operation)
  }

/** The source of the sample mount. It and the repository of the samples are visible. */
const base = name("team/base")
const shown = ReferenceSet.repository(repository, base)
const rest = ReferenceSet.difference(ReferenceSet.all, shown)
const untagged = ReferenceSet.intersection(shown, ReferenceSet.untagged)
const tagged = ReferenceSet.intersection(shown, ReferenceSet.tags("v*"))
const otherTags = ReferenceSet.intersection(shown, ReferenceSet.tags("w*"))

type Outcome = "passes" | "upload" | "empty" | "filtered" | RegistryError.RegistryError["_tag"]

interface Row {
  /** In a repository that is completely visible. */
  readonly all: Outcome
  /** In a repository whose tags are hidden. */
  readonly untagged: Outcome
  /** In a repository where only this tag is visible. */
  readonly tagged: Outcome
  /** In a repository where only other tags are visible. */
  readonly otherTags: Outcome
  /** In a hidden repository. */
  readonly rest: Outcome
}

const everywhere = (there: Outcome, rest: Outcome): Row => ({
  all: there,
  untagged: there,
  tagged: there,
  otherTags: there,
  rest
})
const wholeOnly: Row = { ...everywhere("OciDenied", "OciDenied"), all: "passes" }
const byTag: Row = { ...everywhere("passes", "OciDenied"), untagged: "OciDenied", otherTags: "OciDenied" }

const table: { readonly [Tag in Operation.OperationTag]: Row } = {
  ResolveBlob: everywhere("passes", "OciBlobUnknown"),
  GetBlob: everywhere("passes", "OciBlobUnknown"),
  // By a tag.
  ResolveManifest: {
    ...everywhere("passes", "OciNameUnknown"),
    untagged: "OciManifestUnknown",
    otherTags: "OciManifestUnknown"
  },
  // By a digest.
  GetManifest: {
    ...everywhere("passes", "OciNameUnknown"),
    tagged: "OciManifestUnknown",
    otherTags: "OciManifestUnknown"
  },
  PushBlob: everywhere("passes", "OciDenied"),
  MountBlob: everywhere("passes", "OciDenied"),
  StartUpload: everywhere("passes", "OciDenied"),
  GetUpload: everywhere("passes", "OciDenied"),
  AppendUpload: everywhere("passes", "OciDenied"),
  CompleteUpload: everywhere("passes", "OciDenied"),
  CancelUpload: everywhere("passes", "OciDenied"),
  PushManifest: byTag,
  DeleteBlob: wholeOnly,
  DeleteManifest: wholeOnly,
  DeleteTag: byTag,
  ListRepositories: { ...everywhere("filtered", "filtered") },
  ListTags: { ...everywhere("filtered", "OciNameUnknown"), all: "passes" },
  ListReferrers: { ...everywhere("passes", "empty"), tagged: "empty", otherTags: "empty" }
}

const sets: { readonly [Column in keyof Row]: ReferenceSet.ReferenceSet } = {
  all: shown,
  untagged,
  tagged,
  otherTags,
  rest
}

describe("Filter", () => {
  describe.each(Object.keys(sets) as ReadonlyArray<keyof Row>)("with a set that contains: %s", (column) => {
    it.effect.each(samples.tags.map((tag) => ({ tag, outcome: table[tag][column] })))(
      "$tag: $outcome",
      ({ outcome, tag }) =>
        Effect.gen(function*() {
          const operation = samples.operations[tag]
          const seen: Array<Operation.OperationTag> = []
          const handle = Filter.middleware({ select: sets[column] })(recording(seen))
          const answer = yield* samples.answerOf(handle, operation)
          const plain = yield* samples.answerOf(samples.known, operation)
          switch (outcome) {
            case "passes":
              expect(seen).toEqual([tag])
              return expect(answer).toEqual(plain)
            case "filtered":
              expect(seen).toEqual([tag])
              return expect(Exit.isSuccess(answer)).toBe(true)
            case "empty":
              expect(seen).toEqual([])
              return expect(answer).toEqual(Exit.succeed(Chunk.empty()))
            default:
              // The registry is not asked, so the answer reveals nothing about its content.
              expect(seen).toEqual([])
              return expect(yield* Effect.flip(answer)).toMatchObject({
                _tag: outcome,
                ...Operation.errorFields(operation)
              })
          }
        })
    )
  })

  describe("names the refused operation and the reason", () => {
    const push = (...tags: ReadonlyArray<string>) =>
      new Operation.PushManifest({
        repository,
        mediaType: "x/y",
        bytes: samples.bytes,
        tags: tags.map((t) => Tag.make(t))
      })
    it.effect.each<
      { name: string; operation: Operation.Operation; select: ReferenceSet.ReferenceSet; message: string }
    >([
      {
        name: "a repository",
        operation: samples.operations.PushBlob,
        select: rest,
        message: `PushBlob team/app@${digest}: the filter allows no writes to this repository`
      },
      {
        name: "a tag",
        operation: samples.operations.DeleteTag,
        select: otherTags,
        message: "DeleteTag team/app:v1: the filter does not allow the tag \"v1\""
      },
      {
        name: "one tag of a push",
        operation: push("v1", "rc", "v2"),
        select: tagged,
        message: "PushManifest team/app:v1: the filter does not allow the tag \"rc\""
      },
      {
        name: "a push without tags",
        operation: push(),
        select: tagged,
        message: "PushManifest team/app: the filter allows no pushes without a tag to this repository"
      },
      {
        name: "a delete by digest",
        operation: samples.operations.DeleteManifest,
        select: tagged,
        message:
          `DeleteManifest team/app@${digest}: the filter does not allow all of this repository, so that nothing is deleted by its digest`
      }
    ])("$name", ({ message, operation, select }) =>
      Effect.gen(function*() {
        const seen: Array<Operation.OperationTag> = []
        const handle = Filter.middleware({ select })(recording(seen))
        const error = yield* Effect.flip(Effect.scoped(handle(operation)))
        expect(error).toMatchObject({ _tag: "OciDenied", message })
        expect(seen).toEqual([])
      }))
  })

  describe("lists", () => {
    const names = ["a/x", "b", "b/x", "b/y", "c", "c/z"].map((each) => name(each))
    const tags = ["latest", "v1", "v2", "v2-rc", "v3"].map((each) => Tag.make(each))
    const after = <A extends string>(all: ReadonlyArray<A>, last: A | undefined) =>
      Stream.fromIterable(all).pipe(Stream.filter((each) => last === undefined || each > last))
    const listing = (operations: Array<Operation.Operation>) =>
      Handler.override(samples.known, {
        ListRepositories: (operation) => {
          operations.push(operation)
          return Effect.succeed(after(names, operation.last).pipe(Stream.take(Math.min(operation.limit ?? 99, 99))))
        },
        ListTags: (operation) => {
          operations.push(operation)
          return Effect.succeed(after(tags, operation.last).pipe(Stream.take(Math.min(operation.limit ?? 99, 99))))
        }
      })
    const list = (select: ReferenceSet.ReferenceSet, operation: Operation.ListRepositories | Operation.ListTags) =>
      samples.answerOf(Filter.middleware({ select })(listing([])), operation).pipe(
        Effect.flatten,
        Effect.map((all) => Chunk.toReadonlyArray(all as Chunk.Chunk<string>))
      )
    const some = ReferenceSet.prefix("b/", "c/")
    const versions = ReferenceSet.difference(ReferenceSet.tags("v*"), ReferenceSet.tags("*-rc"))

    it.effect.each<{
      name: string
      select: ReferenceSet.ReferenceSet
      operation: Operation.ListRepositories | Operation.ListTags
      items: ReadonlyArray<string>
    }>([
      {
        name: "repositories",
        select: some,
        operation: new Operation.ListRepositories({}),
        items: ["b/x", "b/y", "c/z"]
      },
      {
        name: "a limit counts visible items",
        select: some,
        operation: new Operation.ListRepositories({ limit: 2 }),
        items: ["b/x", "b/y"]
      },
      {
        name: "no limit",
        select: some,
        operation: new Operation.ListRepositories({ limit: Infinity }),
        items: ["b/x", "b/y", "c/z"]
      },
      {
        name: "after a name that is hidden",
        select: some,
        operation: new Operation.ListRepositories({ last: name("b"), limit: 1 }),
        items: ["b/x"]
      },
      {
        name: "repositories that may have such tags",
        select: ReferenceSet.intersection(some, versions),
        operation: new Operation.ListRepositories({ limit: 2 }),
        items: ["b/x", "b/y"]
      },
      {
        name: "tags",
        select: versions,
        operation: new Operation.ListTags({ repository, last: Tag.make("v1"), limit: 2 }),
        items: ["v2", "v3"]
      },
      { name: "no tags", select: ReferenceSet.untagged, operation: new Operation.ListTags({ repository }), items: [] }
    ])("$name", ({ items, operation, select }) =>
      Effect.gen(function*() {
        expect(yield* list(select, operation)).toEqual(items)
      }))

    it.effect("forwards a list of tags unchanged if no tag is hidden", () =>
      Effect.gen(function*() {
        const operations: Array<Operation.Operation> = []
        yield* Stream.runDrain(
          yield* Filter.middleware({ select: shown })(listing(operations))(samples.operations.ListTags)
        )
        expect(operations).toEqual([samples.operations.ListTags])
      }))
  })

  describe("mounts", () => {
    const mount = (from: RepositoryName.RepositoryName | undefined, of = digest) =>
      new Operation.MountBlob({ repository, digest: of, from })
    const sha512 = samples.operations.PushBlob.descriptor.digest.replace("sha256", "sha512").padEnd(135, "0")
    it.effect.each<{ name: string; operation: Operation.MountBlob; expected: Operation.Operation }>([
      { name: "from a visible repository", operation: mount(base), expected: mount(base) },
      {
        name: "from a hidden repository",
        operation: mount(name("secret")),
        expected: new Operation.StartUpload({ repository, algorithm: undefined })
      },
      {
        name: "without a source",
        operation: mount(undefined),
        expected: new Operation.StartUpload({ repository, algorithm: undefined })
      },
      {
        name: "of another algorithm",
        operation: mount(name("secret"), sha512 as typeof digest),
        expected: new Operation.StartUpload({ repository, algorithm: "sha512" })
      }
    ])("$name", ({ expected, operation }) =>
      Effect.gen(function*() {
        const seen: Array<Operation.Operation> = []
        const next: Handler.Handler = (operation) => {
          seen.push(operation)
          return samples.known(operation)
        }
        expect(yield* Filter.middleware({ select: shown })(next)(operation))
          .toEqual(new Operation.UploadStarted({ upload: { id: samples.canary, offset: 0 } }))
        expect(seen).toEqual([expected])
      }))

    it.effect("reports an error of the upload as an error of the mount", () =>
      Effect.gen(function*() {
        const next = samples.always(
          Answer.fail(new RegistryError.TooManyRequests({ operation: "StartUpload", repository }))
        )
        const error = yield* Effect.flip(Filter.middleware({ select: shown })(next)(mount(name("secret"))))
        expect(error.message).toBe(`MountBlob team/app@${digest}: too many requests`)
      }))
  })

  describe("reveals nothing about hidden content", () => {
    const hidden = name("secret/app")
    const filter = Filter.middleware({
      select: ReferenceSet.difference(ReferenceSet.all, ReferenceSet.prefix("secret/"))
    })
    /** Fills the repositories with all content. */
    const fill = (registry: Registry["Type"], where: ReadonlyArray<RepositoryName.RepositoryName>) =>
      Effect.forEach(
        where,
        (repository) =>
          registry.pushBlob(repository, samples.descriptor, Body.bytes(samples.bytes)).pipe(
            Effect.zipRight(registry.pushManifest(repository, { mediaType: "x/y", bytes: samples.bytes, tags: [tag] }))
          )
      )
    const tellAll = (where: ReadonlyArray<RepositoryName.RepositoryName>) =>
      Effect.gen(function*() {
        const registry = yield* Registry
        yield* fill(registry, where)
        return yield* Effect.forEach(samples.tags, (tag) => {
          const mapped = Operation.mapRepositories(samples.operations[tag], () => hidden)
          const operation = mapped._tag === "MountBlob"
            ? new Operation.MountBlob({ repository, digest, from: hidden })
            : mapped._tag === "ListRepositories"
            ? new Operation.ListRepositories({})
            : mapped
          return Effect.map(samples.answerOf(filter(registry.handle), operation), (answer) => {
            const text = JSON.stringify(answer).replace(/"id":"[^"]*"/, "\"id\":\"\"")
            return { tag, answer: text }
          })
        })
      }).pipe(Effect.provide(Memory.layer({ anonymousMount: true })))

    it.effect("refuses with the same error whether it exists or not", () =>
      Effect.gen(function*() {
        expect(yield* tellAll([repository, hidden])).toEqual(yield* tellAll([repository]))
      }))

    it.effect("reports it like content that does not exist", () =>
      Effect.gen(function*() {
        const absent = name("other/app1")
        const registry = yield* Registry
        yield* fill(registry, [repository, hidden])
        const handle = filter(registry.handle)
        for (const tag of samples.tags.filter((tag) => Operation.isRead(samples.operations[tag]))) {
          if (tag === "ListRepositories") continue
          const ask = (where: RepositoryName.RepositoryName) =>
            samples.answerOf(handle, Operation.mapRepositories(samples.operations[tag], () => where)).pipe(
              Effect.map((answer) => JSON.stringify(answer).replaceAll(where, "NAME"))
            )
          expect(yield* ask(hidden)).toBe(yield* ask(absent))
        }
      }).pipe(Effect.provide(Memory.layer())))

    it.effect("reports a hidden tag like a tag that does not exist", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        yield* fill(registry, [repository])
        const select = ReferenceSet.difference(ReferenceSet.all, ReferenceSet.tags("v1"))
        const { getManifest } = Registry.fromHandler(Filter.middleware({ select })(registry.handle))
        const [one, other] = yield* Effect.all([
          Effect.flip(getManifest(repository, tag)),
          Effect.flip(getManifest(repository, Tag.make("v9")))
        ])
        expect(JSON.stringify(one)).toBe(JSON.stringify(other).replaceAll("v9", "v1"))
      }).pipe(Effect.provide(Memory.layer())))
  })

  describe("by caller", () => {
    const alices = ReferenceSet.prefix("alice/")
    const filter = Filter.middleware({
      select: ({ name }) => name === "alice" ? alices : name === "root" ? ReferenceSet.all : ReferenceSet.none
    })
    const as = (name: string) => Effect.provideService(Caller.Caller, { name, claims: {} })

    it.effect("reads the caller at each operation, and compares whole names", () =>
      Effect.gen(function*() {
        const resolve = filter(samples.known)(new Operation.ResolveBlob({ repository: name("alice/app"), digest }))
        expect(yield* as("alice")(resolve)).toEqual(samples.descriptor)
        expect(yield* as("root")(resolve)).toEqual(samples.descriptor)
        expect(yield* as("alice2")(Effect.flip(resolve))).toMatchObject({ _tag: "OciBlobUnknown" })
        expect(yield* Effect.flip(resolve)).toMatchObject({ _tag: "OciBlobUnknown" })
      }))

    it.effect("forwards nothing if the function throws", () =>
      Effect.gen(function*() {
        const seen: Array<Operation.OperationTag> = []
        const broken = Filter.middleware({
          select: () => {
            throw new Error("no such claim")
          }
        })(recording(seen))
        expect(Exit.isFailure(yield* Effect.exit(broken(samples.operations.ResolveBlob)))).toBe(true)
        expect(seen).toEqual([])
      }))
  })

  it.effect("matches sets that name the registry of the options", () =>
    Effect.gen(function*() {
      const select = ReferenceSet.registry("r.example")
      const ask = samples.operations.ResolveBlob
      expect(yield* Filter.middleware({ select, registry: "r.example" })(samples.known)(ask)).toEqual(
        samples.descriptor
      )
      expect(yield* Effect.flip(Filter.middleware({ select })(samples.known)(ask))).toMatchObject({
        _tag: "OciBlobUnknown"
      })
    }))

  describe("laws", () => {
    const leaf = fc.constantFrom(
      ReferenceSet.all,
      ReferenceSet.none,
      ReferenceSet.repository("team/app"),
      ReferenceSet.repository("team/base", "library/tool"),
      ReferenceSet.prefix("team/"),
      ReferenceSet.tags("v1*"),
      ReferenceSet.tags("latest"),
      ReferenceSet.untagged
    )
    const { set } = fc.letrec<{ set: ReferenceSet.ReferenceSet }>((tie) => ({
      set: fc.oneof(
        { maxDepth: 2, withCrossShrink: true },
        leaf,
        fc.tuple(tie("set"), tie("set")).map(([a, b]) => ReferenceSet.union(a, b)),
        fc.tuple(tie("set"), tie("set")).map(([a, b]) => ReferenceSet.intersection(a, b)),
        tie("set").map(ReferenceSet.complement)
      )
    }))
    const filter = (select: ReferenceSet.ReferenceSet) => Filter.middleware({ select })

    it("Filter(all) is the registry itself", () => {
      expect(filter(ReferenceSet.all)(samples.known)).toBe(samples.known)
    })

    it("Filter(a) wrapped by Filter(b) is Filter(a ∩ b)", () =>
      laws.sameOf(
        fc.tuple(set, set).map(([a, b]) =>
          [laws.stack(filter(a), filter(b)), filter(ReferenceSet.intersection(a, b))] as const
        ),
        { filled: true, numRuns: 150 }
      ), 60_000)

    it("sends the same operations to the registry with another wrapper between two filters", () => {
      const between: Middleware.Middleware = (next) => (operation) => next(operation)
      const names = ["a", "team/app", "team/base", `${"long-name/".repeat(25)}end`].map((each) => name(each))
      const agree = ([a, b]: readonly [ReferenceSet.ReferenceSet, ReferenceSet.ReferenceSet]) =>
        names.every((repository) => {
          const touches = ReferenceSet.touches({ repository })
          return touches(ReferenceSet.intersection(a, b)) === (touches(a) && touches(b))
        })
      return fc.assert(
        fc.asyncProperty(fc.tuple(set, set).filter(agree), samples.anyOperation, async ([a, b], operation) => {
          const [one, other]: [Array<Operation.OperationTag>, Array<Operation.OperationTag>] = [[], []]
          await Effect.runPromise(Effect.all([
            samples.answerOf(filter(b)(between(filter(a)(recording(one)))), operation),
            samples.answerOf(filter(ReferenceSet.intersection(a, b))(recording(other)), operation)
          ]))
          expect(one).toEqual(other)
        }),
        { numRuns: 500 }
      )
    })

    it(
      "a set is the same as a function that returns it",
      () => laws.sameOf(set.map((a) => [filter(a), Filter.middleware({ select: () => a })] as const), { filled: true }),
      60_000
    )
  })

  it.effect("wraps a layer in a new layer at each call", () =>
    Effect.gen(function*() {
      const base = Registry.layerHandler(samples.known)
      const registry = yield* Effect.provide(Registry, base.pipe(Filter.wrap({ select: rest })))
      expect(yield* Effect.flip(registry.resolveBlob(repository, digest))).toMatchObject({ _tag: "OciBlobUnknown" })
      expect(Filter.layer({ select: shown })).not.toBe(Filter.layer({ select: shown }))
    }))
})
