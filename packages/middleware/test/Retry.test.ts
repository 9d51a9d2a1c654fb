import {
  Answer,
  Body,
  Descriptor,
  Handler,
  Operation,
  Registry,
  RegistryError,
  RetryBudget,
  Tag
} from "@effect-oci/core"
import { Faulty } from "@effect-oci/laws"
import { Memory } from "@effect-oci/store"
import * as samples from "@effect-oci/testing/RegistrySamples"
import { describe, expect, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber, Option, Random, Stream, TestClock } from "effect"
import { Retry } from "../src/index.js"
import * as laws from "./laws.js"

const { bytes, descriptor, repository, tag } = samples

const atOnce: Retry.Options = { delay: 0 }

const resolve = new Operation.ResolveManifest({ repository, reference: tag })

const fail: Faulty.Fault = { _tag: "Fail" }

/** Creates a registry that always fails with an error, and counts the attempts. */
const failing = (failure: Faulty.Failure = Faulty.reset) => {
  const faulty = Faulty.make(Faulty.operation(1, { _tag: "Fail", failure }, { times: Infinity }))
  return { handle: faulty.middleware(samples.known), calls: () => faulty.fired().length }
}

/** Pushes a manifest, its blobs and a tag to a registry in memory. */
const filled = Effect.gen(function*() {
  const registry = yield* Registry
  yield* registry.pushManifest(repository, { mediaType: "text/plain", bytes, tags: [tag] })
  yield* registry.pushBlob(repository, Descriptor.fromBytes(bytes), Body.bytes(bytes))
  return registry.handle
})

describe("number of attempts", () => {
  it.effect.each([
    { options: undefined, attempts: 6 },
    { options: { retries: 0 }, attempts: 1 },
    { options: { retries: 1 }, attempts: 2 },
    { options: { retries: 2.5 }, attempts: 3 }
  ])("$options: $attempts attempts, as the error says", ({ attempts, options }) =>
    Effect.gen(function*() {
      const { calls, handle } = failing()
      const error = yield* Effect.flip(Retry.middleware({ ...options, ...atOnce })(handle)(resolve))
      expect(calls()).toBe(attempts)
      expect(error).toBeInstanceOf(RegistryError.TransportError)
      expect(error.message).toBe(
        `ResolveManifest team/app:v1: connection reset${attempts === 1 ? "" : `; given up after ${attempts} attempts`}`
      )
    }))

  it.each([-1, Number.NaN])("refuses %d retries", (retries) => {
    expect(() => Retry.middleware({ retries })).toThrow(`Retry: retries must be a number of 0 or more, not ${retries}`)
  })

  it.effect("adds the number to an error without a reason", () =>
    Effect.gen(function*() {
      const { handle } = failing(Faulty.unavailable())
      const error = yield* Effect.flip(Retry.middleware({ retries: 1, ...atOnce })(handle)(resolve))
      expect(error.message).toBe("ResolveManifest team/app:v1: service unavailable; given up after 2 attempts")
      expect(error).toMatchObject({ _tag: "OciUnavailable", status: 503 })
    }))

  it.effect.each([
    { name: "an answer", failure: (fields: RegistryError.ErrorFields) => new RegistryError.ManifestUnknown(fields) },
    { name: "a refusal", failure: (fields: RegistryError.ErrorFields) => new RegistryError.Denied(fields) },
    { name: "a status that stays", failure: Faulty.status(501) }
  ])("does not retry $name, and returns it unchanged", ({ failure }) =>
    Effect.gen(function*() {
      const { calls, handle } = failing(failure)
      const answer = Retry.middleware(atOnce)(handle)(resolve)
      expect(yield* Effect.flip(answer)).toEqual(yield* Effect.flip(handle(resolve)))
      expect(calls()).toBe(2)
    }))

  it.effect("does not retry errors that the option `while` excludes", () =>
    Effect.gen(function*() {
      const { calls, handle } = failing(Faulty.status(500))
      const seen: Array<string> = []
      const options: Retry.Options = {
        ...atOnce,
        while: (error, operation) => {
          seen.push(operation._tag)
          return error.status !== 500
        }
      }
      yield* Effect.flip(Retry.middleware(options)(handle)(resolve))
      expect(calls()).toBe(1)
      expect(seen).toEqual(["ResolveManifest"])
    }))

  it.effect("adds the attempts of an inner Retry instead of multiplying them", () =>
    Effect.gen(function*() {
      const { calls, handle } = failing()
      const inner = Retry.middleware({ retries: 2, ...atOnce })
      const outer = Retry.middleware({ retries: 5, ...atOnce })
      const error = yield* Effect.flip(outer(inner(inner(handle)))(resolve))
      expect(calls()).toBe(6)
      expect(error.message).toContain("connection reset; given up after")
      expect(error.message.match(/given up/g)).toHaveLength(1)
    }))

  it.effect("uses the budget of the outermost Retry", () =>
    Effect.gen(function*() {
      const { calls, handle } = failing()
      yield* Effect.flip(
        Effect.provideService(
          Retry.middleware({ retries: 9, ...atOnce })(handle)(resolve),
          RetryBudget.RetryBudget,
          RetryBudget.make(3)
        )
      )
      expect(calls()).toBe(4)
    }))

  it.effect("provides the budget to inner wrappers, and to the streams of lists and contents", () =>
    Effect.gen(function*() {
      const found: Array<RetryBudget.Budget | undefined> = []
      const note = Effect.map(RetryBudget.RetryBudget, (budget) => void found.push(budget))
      const noting = Handler.override(samples.known, {
        ResolveManifest: () => Effect.as(note, descriptor),
        ListTags: () => Effect.as(note, Stream.concat(Stream.execute(note), Stream.make(tag)))
      })
      const handle = Retry.middleware()(noting)
      yield* handle(resolve)
      yield* Effect.flatMap(handle(new Operation.ListTags({ repository })), Stream.runDrain)
      expect(found).toHaveLength(3)
      expect(found).not.toContain(undefined)
      expect(found[0]).not.toBe(found[1])
      expect(found[1]).toBe(found[2])
      expect(yield* RetryBudget.RetryBudget).toBeUndefined()
    }))
})

/** Returns the times of the attempts at a registry that always fails, in milliseconds. */
const times = (options: Retry.Options, failure?: Faulty.Failure) =>
  Effect.gen(function*() {
    const calledAt: Array<number> = []
    const { handle } = failing(failure)
    const timed: Handler.Handler = (operation) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        calledAt.push(now)
        return handle(operation)
      })
    const fiber = yield* Effect.fork(Effect.flip(Retry.middleware(options)(timed)(resolve)))
    yield* TestClock.adjust("1 hour")
    yield* Fiber.join(fiber)
    return calledAt.slice(1).map((at, index) => at - calledAt[index]!)
  })

describe("wait between attempts", () => {
  it.effect.each([
    { name: "doubles each time", options: {}, waits: [200, 400, 800, 1600, 3200] },
    { name: "starts with the delay", options: { delay: "1 second", retries: 2 }, waits: [1000, 2000] },
    { name: "at most maxDelay", options: { maxDelay: "1 second" }, waits: [200, 400, 800, 1000, 1000] }
  ])("$name", ({ options, waits }) =>
    Effect.gen(function*() {
      expect(yield* times({ jitter: false, ...options as Retry.Options })).toEqual(waits)
    }))

  it.effect("waits at least half of the delay with jitter, and not all of it", () =>
    Effect.gen(function*() {
      const waits = yield* Effect.withRandom(times({ retries: 20, maxDelay: 200 }), Random.make("a seed"))
      expect(waits).toHaveLength(20)
      expect(new Set(waits).size).toBeGreaterThan(10)
      for (const wait of waits) {
        expect(wait).toBeGreaterThanOrEqual(99)
        expect(wait).toBeLessThanOrEqual(200)
      }
    }))

  it.effect.each([
    { name: "the wait that the registry requests, in addition", failure: Faulty.tooManyRequests(5000), wait: 5200 },
    { name: "the wait that an unavailable registry requests", failure: Faulty.unavailable(1000), wait: 1200 },
    { name: "at most maxRetryAfter", failure: Faulty.tooManyRequests(3_600_000), wait: 60_200 },
    {
      name: "the longest wait that several registries request",
      failure: (fields: RegistryError.ErrorFields) =>
        new RegistryError.PartialFailure({
          ...fields,
          outcomes: [
            { name: "a", error: Faulty.unavailable(1000)(fields) },
            { name: "b", error: Faulty.tooManyRequests(7000)(fields) },
            { name: "c", error: undefined }
          ]
        }),
      wait: 7200
    }
  ])("$name", ({ failure, wait }) =>
    Effect.gen(function*() {
      expect(yield* times({ jitter: false, retries: 1 }, failure)).toEqual([wait])
    }))

  it.effect("stops waiting when interrupted", () =>
    Effect.gen(function*() {
      const { calls, handle } = failing()
      const fiber = yield* Effect.fork(Retry.middleware()(handle)(resolve))
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(fiber)
      yield* TestClock.adjust("1 hour")
      expect(calls()).toBe(1)
    }))
})

/** All operations that may be repeated unchanged. */
const repeatable = samples.tags.filter((each) =>
  Operation.traits[each].repeat !== "once" && each !== "GetBlob" &&
  Operation.access(samples.operations[each]) !== "list"
)

describe("operations", () => {
  it.effect.each(repeatable.map((ask) => ({ ask })))(
    "retries $ask and returns its result",
    ({ ask }) =>
      Effect.gen(function*() {
        const operation = samples.operations[ask]
        const faulty = Faulty.make(Faulty.operation(1, fail, { only: ({ _tag }) => _tag === ask, times: 2 }))
        const missing = new RegistryError.BlobUnknown({})
        const handle = Handler.override(
          samples.known,
          ask === "PushBlob"
            ? { ResolveBlob: () => Answer.fail(missing) }
            : {}
        )
        const answer = yield* samples.answerOf(Retry.middleware(atOnce)(faulty.middleware(handle)), operation)
        expect(answer).toEqual(yield* samples.answerOf(samples.known, operation))
        expect(faulty.fired()).toHaveLength(2)
      })
  )

  it.effect.each([
    { operation: new Operation.DeleteTag({ repository, tag }) },
    { operation: new Operation.DeleteManifest({ repository, digest: Descriptor.fromBytes(bytes).digest }) },
    { operation: new Operation.DeleteBlob({ repository, digest: Descriptor.fromBytes(bytes).digest }) }
  ])("counts $operation._tag as done if only the response was lost", ({ operation }) =>
    Effect.gen(function*() {
      const handle = yield* filled
      const faulty = Faulty.make(Faulty.operation(1, { _tag: "Lose" }))
      expect(yield* Retry.middleware(atOnce)(faulty.middleware(handle))(operation)).toBe(Operation.done)
      expect(yield* Effect.flip(handle(operation))).toSatisfy(RegistryError.isNotFound)
    }).pipe(Effect.provide(Memory.layer())))

  it.effect("counts CancelUpload as done if only the response was lost", () =>
    Effect.gen(function*() {
      const handle = yield* filled
      const { id } = yield* handle(new Operation.StartUpload({ repository }))
      const faulty = Faulty.make(Faulty.operation(1, { _tag: "Lose" }))
      const cancel = new Operation.CancelUpload({ repository, id })
      expect(yield* Retry.middleware(atOnce)(faulty.middleware(handle))(cancel)).toBe(Operation.done)
    }).pipe(Effect.provide(Memory.layer())))

  it.effect.each([
    { name: "that was never there", failures: [] },
    { name: "after TooManyRequests, which executed nothing", failures: [Faulty.tooManyRequests()] }
  ])("reports not found for a delete of something $name", ({ failures }) =>
    Effect.gen(function*() {
      const { handle } = yield* Registry
      const faulty = Faulty.make(
        Faulty.all(...failures.map((failure) => Faulty.operation(1, { _tag: "Fail", failure })))
      )
      const answer = Retry.middleware(atOnce)(faulty.middleware(handle))(new Operation.DeleteTag({ repository, tag }))
      expect(yield* Effect.flip(answer)).toSatisfy(RegistryError.isNotFound)
    }).pipe(Effect.provide(Memory.layer())))
})

/** A registry that takes conditions literally: it refuses a push whose effect is already there. */
const literal = (next: Handler.Handler) =>
  Handler.override(next, {
    PushManifest: (operation) =>
      Effect.gen(function*() {
        for (const reference of Operation.isConditional(operation) ? operation.tags : []) {
          const current = yield* Effect.option(next(new Operation.ResolveManifest({ repository, reference })))
          if (Option.getOrUndefined(current)?.digest !== operation.ifMatch) {
            return yield* new RegistryError.Denied({ reason: "precondition failed" })
          }
        }
        return yield* next(operation)
      })
  })

describe("a push with ifAbsent", () => {
  const push = (content: string, ...tags: ReadonlyArray<string>) =>
    new Operation.PushManifest({
      repository,
      mediaType: "text/plain",
      bytes: new TextEncoder().encode(content),
      tags: tags.map((each) => Tag.make(each)),
      ifAbsent: true
    })
  const losing = (handle: Handler.Handler) =>
    Retry.middleware(atOnce)(Faulty.make(Faulty.operation(1, { _tag: "Lose" })).middleware(literal(handle)))

  it.effect("succeeds if its response was lost and the tags point at its manifest", () =>
    Effect.gen(function*() {
      const { handle } = yield* Registry
      const operation = push("a", "v1", "v2")
      const pushed = yield* losing(handle)(operation)
      expect(pushed).toEqual(yield* handle(operation))
      expect(pushed.tags).toEqual(["v1", "v2"])
    }).pipe(Effect.provide(Memory.layer())))

  it.effect("with ifMatch, succeeds if its response was lost and the tags point at its manifest", () =>
    Effect.gen(function*() {
      const { handle } = yield* Registry
      const { digest } = yield* handle(push("before", "v1"))
      const operation = new Operation.PushManifest({ ...push("a", "v1"), ifAbsent: undefined, ifMatch: digest })
      expect((yield* losing(handle)(operation)).tags).toEqual(["v1"])
      const other = new Operation.PushManifest({ ...push("b", "v1"), ifAbsent: undefined, ifMatch: digest })
      expect(yield* Effect.flip(losing(handle)(other))).toMatchObject({ _tag: "OciDenied" })
    }).pipe(Effect.provide(Memory.layer())))

  it.effect("is refused if the tag points at another manifest", () =>
    Effect.gen(function*() {
      const { handle } = yield* Registry
      yield* handle(push("other", "v1"))
      const faulty = Faulty.make(Faulty.operation(1, fail))
      const answer = Retry.middleware(atOnce)(faulty.middleware(literal(handle)))(push("a", "v1", "v2"))
      expect(yield* Effect.flip(answer)).toMatchObject({ _tag: "OciDenied", reason: "precondition failed" })
      expect(yield* Effect.flip(handle(new Operation.ResolveManifest({ repository, reference: Tag.make("v2") }))))
        .toMatchObject({ _tag: "OciManifestUnknown" })
    }).pipe(Effect.provide(Memory.layer())))

  it.effect("stays refused if its first attempt is refused", () =>
    Effect.gen(function*() {
      const { handle } = yield* Registry
      yield* handle(push("a", "v1"))
      expect(yield* Effect.flip(Retry.middleware(atOnce)(literal(handle))(push("a", "v1"))))
        .toMatchObject({ _tag: "OciDenied" })
    }).pipe(Effect.provide(Memory.layer())))
})

describe("Retry over a registry that does not fail", () => {
  it("returns the same results for all operations", () =>
    laws.same(Retry.middleware(), (next) => next, { filled: true, numRuns: 50 }))

  it.effect.each(samples.tags.map((ask) => ({ ask })))(
    "returns the same result for $ask",
    ({ ask }) =>
      Effect.gen(function*() {
        for (const next of [samples.known, samples.suspended(samples.known)]) {
          const operation = samples.operations[ask]
          const answer = yield* samples.answerOf(Retry.middleware()(next), operation)
          expect(answer).toEqual(yield* samples.answerOf(next, operation))
        }
      })
  )

  it("returns results at once that are available at once", () => {
    const handOn = (next: Handler.Handler) => {
      const handle = Retry.middleware()(next)
      return samples.tags.filter((ask) => Exit.isExit(handle(samples.operations[ask])))
    }
    expect(handOn(samples.always(Exit.fail(new RegistryError.BlobUnknown({}))))).toEqual(samples.tags)
    const open = new Set(["GetBlob", "ListRepositories", "ListTags", "ListReferrers"])
    expect(handOn(samples.known)).toEqual(samples.tags.filter((ask) => !open.has(ask)))
  })

  it.effect("keeps content in memory, and verified", () =>
    Effect.gen(function*() {
      const handle = Retry.middleware()(yield* filled)
      const answer = handle(new Operation.GetBlob({ repository, digest: Descriptor.fromBytes(bytes).digest }))
      expect(Exit.isExit(answer)).toBe(true)
      expect(yield* Effect.scoped(answer)).toMatchObject({ verified: true })
    }).pipe(Effect.provide(Memory.layer())))

  it.effect("is available as a layer and for pipes", () =>
    Effect.gen(function*() {
      const registry = yield* Registry
      expect(yield* Effect.flip(registry.resolveManifest(repository, tag))).toMatchObject({ _tag: "OciNameUnknown" })
    }).pipe(Effect.provide(Memory.layer().pipe(Retry.wrap(), Retry.wrap(atOnce)))))
})
