import { Descriptor, Handler, Operation, RegistryError, RepositoryName, RetryBudget, Tag } from "@effect-oci/core"
import { Faulty } from "@effect-oci/laws"
import * as samples from "@effect-oci/testing/RegistrySamples"
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Effect, Exit, Stream } from "effect"
import { Retry } from "../src/index.js"

const { digest, repository } = samples

const tags = ["a", "b", "c", "d", "e"].map((tag) => Tag.make(tag))
const repositories = ["a", "b/c", "b/d", "e"].map((name) => RepositoryName.make(name))
const referrers = [1, 2, 3].map((byte) => Descriptor.fromBytes(Uint8Array.of(byte)))

const page = <A extends string>(all: ReadonlyArray<A>, last: A | undefined, limit: number | undefined) =>
  Stream.fromIterable(all.filter((item) => last === undefined || item > last).slice(0, limit))

/** Creates a registry with these lists that records the requests. */
const lists = (options?: { readonly knowsLast?: boolean; readonly tags?: () => ReadonlyArray<Tag.Tag> }) => {
  const operations: Array<Operation.Operation> = []
  const knowsLast = options?.knowsLast ?? true
  const handle = Handler.override(samples.known, {
    ListRepositories: (operation) =>
      Effect.sync(() => {
        operations.push(operation)
        return page(repositories, knowsLast ? operation.last : undefined, operation.limit)
      }),
    ListTags: (operation) =>
      Effect.sync(() => {
        operations.push(operation)
        return page(options?.tags?.() ?? tags, knowsLast ? operation.last : undefined, operation.limit)
      }),
    ListReferrers: (operation) =>
      Effect.sync(() => {
        operations.push(operation)
        return Stream.fromIterable(referrers)
      })
  })
  return { operations, handle }
}

type List = Effect.Effect<Stream.Stream<unknown, RegistryError.RegistryError>, RegistryError.RegistryError>

const read = (list: List) => Effect.map(Stream.runCollect(Stream.unwrap(list)), Chunk.toReadonlyArray)

const retry = (plan: Faulty.Plan, handle: Handler.Handler, options?: Retry.Options) =>
  Retry.middleware({ delay: 0, ...options })(Faulty.make(plan).middleware(handle))

const cut = (after: number, times = 1) => Faulty.operation(1, { _tag: "Cut", after }, { times })

describe("a list", () => {
  it.effect("of at most 0 items still fails as the registry does", () =>
    Effect.gen(function*() {
      const unknown = new RegistryError.NameUnknown({ repository })
      const handle = Handler.override(samples.known, { ListTags: () => Effect.succeed(Stream.fail(unknown)) })
      const list = Retry.middleware({ delay: 0 })(handle)(new Operation.ListTags({ repository, limit: 0 }))
      expect(yield* Effect.flip(read(list))).toBe(unknown)
    }))

  it.effect("resumes after the last item received", () =>
    Effect.gen(function*() {
      for (let after = 0; after <= 5; after++) {
        const { operations, handle } = lists()
        const operation = new Operation.ListTags({ repository })
        expect(yield* read(retry(cut(after), handle)(operation))).toEqual(tags)
        const rest = after === 0 ? operation : new Operation.ListTags({ repository, last: tags[after - 1] })
        expect(operations.map((each) => ({ ...each }))).toEqual([operation, rest].map((each) => ({ ...each })))
      }
      for (let after = 0; after <= 4; after++) {
        const { operations, handle } = lists()
        expect(yield* read(retry(cut(after), handle)(new Operation.ListRepositories({})))).toEqual(repositories)
        expect(operations[1]).toMatchObject(after === 0 ? {} : { last: repositories[after - 1] })
      }
    }))

  it.effect("contains no more items than its limit", () =>
    Effect.gen(function*() {
      for (const limit of [1, 3, 4]) {
        for (let after = 0; after <= limit; after++) {
          const { operations, handle } = lists()
          const operation = new Operation.ListTags({ repository, last: tags[0], limit })
          expect(yield* read(retry(cut(after), handle)(operation))).toEqual(tags.slice(1, limit + 1))
          if (after === limit) expect(operations).toHaveLength(1)
          else expect(operations[1]).toMatchObject({ limit: limit - after, last: tags[after] })
          expect(yield* read(retry(cut(after), handle)(new Operation.ListRepositories({ limit }))))
            .toEqual(repositories.slice(0, limit))
        }
      }
    }))

  it.effect("skips items already received if the registry ignores `last`", () =>
    Effect.gen(function*() {
      for (let after = 0; after <= 5; after++) {
        const { handle } = lists({ knowsLast: false })
        expect(yield* read(retry(cut(after), handle)(new Operation.ListTags({ repository })))).toEqual(tags)
      }
    }))

  it.effect("of referrers, which cannot be resumed, skips items already received", () =>
    Effect.gen(function*() {
      for (let after = 0; after <= 3; after++) {
        const { handle } = lists()
        expect(yield* read(retry(cut(after), handle)(new Operation.ListReferrers({ repository, digest }))))
          .toEqual(referrers)
      }
    }))

  it.effect("fails if it starts again without the last item received", () =>
    Effect.gen(function*() {
      let runs = 0
      const without = () => {
        runs += 1
        return runs === 1 ? tags : tags.filter((tag) => tag !== "b")
      }
      const { handle } = lists({ knowsLast: false, tags: without })
      const exit = read(retry(cut(2), handle, { retries: 2 })(new Operation.ListTags({ repository })))
      expect(yield* Effect.flip(exit)).toMatchObject({ reason: "connection reset; given up after 3 attempts" })
    }))

  it.effect("resumes until the budget is used up", () =>
    Effect.gen(function*() {
      for (const retries of [0, 2, 4, 5]) {
        const { handle } = lists()
        const exit = yield* Effect.exit(
          read(retry(cut(1, 5), handle, { retries })(new Operation.ListTags({ repository })))
        )
        expect(Exit.isSuccess(exit)).toBe(retries >= 5)
      }
    }))

  it.effect("opens again within the same budget", () =>
    Effect.gen(function*() {
      const { handle } = lists()
      const plan = Faulty.all(Faulty.operation(1, { _tag: "Fail" }, { times: 2 }), cut(1, 7))
      const list = (retries: number) => read(retry(plan, handle, { retries })(new Operation.ListTags({ repository })))
      expect(yield* list(7)).toEqual(tags)
      expect(yield* Effect.flip(list(6))).toMatchObject({ reason: "connection reset; given up after 7 attempts" })
    }))

  it.effect("has new attempts for each run, unless an outer budget counts them", () =>
    Effect.gen(function*() {
      const { handle } = lists()
      const broken = Stream.concat(Stream.make(Tag.make("a")), Stream.fail(Faulty.reset({})))
      const breaking = Handler.override(handle, {
        ListTags: (operation) => operation.last === undefined ? Effect.succeed(broken) : handle(operation)
      })
      const list = Retry.middleware({ delay: 0, retries: 1 })(breaking)(new Operation.ListTags({ repository }))
      const twice = (outer: RetryBudget.Budget | undefined) =>
        Effect.flatMap(list, (items) => Effect.replicateEffect(Effect.exit(Stream.runCollect(items)), 2)).pipe(
          Effect.provideService(RetryBudget.RetryBudget, outer)
        )
      expect((yield* twice(undefined)).map(Exit.isSuccess)).toEqual([true, true])
      expect((yield* twice(RetryBudget.make(1))).map(Exit.isSuccess)).toEqual([true, false])
    }))

  it.effect("fails with an error that is not transient", () =>
    Effect.gen(function*() {
      const { operations, handle } = lists()
      const failure: Faulty.Failure = (fields) => new RegistryError.NameUnknown(fields)
      const plan = Faulty.operation(1, { _tag: "Cut", after: 2, failure })
      expect(yield* Effect.flip(read(retry(plan, handle)(new Operation.ListTags({ repository })))))
        .toMatchObject({ _tag: "OciNameUnknown" })
      expect(operations).toHaveLength(1)
    }))
})
