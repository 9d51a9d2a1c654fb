import { Body, Caller, Descriptor, Handler, Operation, Registry, RegistryError, RepositoryName } from "@effect-oci/core"
import { Memory } from "@effect-oci/store"
import * as samples from "@effect-oci/testing/RegistrySamples"
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Effect, Exit, Fiber, Stream, TestClock, TestContext } from "effect"
import type { Scope } from "effect"
import * as fc from "fast-check"
import { Limit } from "../src/index.js"
import * as laws from "./laws.js"

const { GetBlob, GetManifest, ListTags, PushBlob, ResolveBlob } = samples.operations

/**
 * Creates a registry that takes a second for each operation, and counts the current and the maximum number of running
 * operations by name.
 */
const slow = (nameOf: (operation: Operation.Operation) => string = ({ _tag }) => _tag) => {
  const now = new Map<string, number>()
  const most = new Map<string, number>()
  const change = (tag: string, by: number) => {
    const count = (now.get(tag) ?? 0) + by
    now.set(tag, count)
    most.set(tag, Math.max(count, most.get(tag) ?? 0))
  }
  const handle: Handler.Handler = (operation) =>
    Effect.suspend(() => {
      change(nameOf(operation), 1)
      return Effect.ensuring(
        Effect.delay(samples.known(operation), "1 second"),
        Effect.sync(() => change(nameOf(operation), -1))
      )
    })
  return { handle, most: (tag: string) => most.get(tag) ?? 0, now: (tag: string) => now.get(tag) ?? 0 }
}

const limited = (base: Handler.Handler, options: Limit.Options) =>
  Effect.map(Limit.middleware(options), (middleware) => middleware(base))

/** Starts effects one after another. */
const started = <A, E>(effects: ReadonlyArray<Effect.Effect<A, E, Scope.Scope>>) =>
  Effect.forEach(effects, (effect) => Effect.zipLeft(Effect.fork(Effect.scoped(effect)), Effect.yieldNow()))

const times = <A>(count: number, value: A): ReadonlyArray<A> => Array.from({ length: count }, () => value)

const isDone = (fiber: Fiber.RuntimeFiber<unknown, unknown>) =>
  Effect.map(Fiber.status(fiber), ({ _tag }) => _tag === "Done")

describe("Limit", () => {
  describe("concurrency", () => {
    it.effect.each<{ name: string; operation: Operation.Operation; concurrency: Limit.Options["concurrency"] }>([
      { name: "small operations", operation: GetManifest, concurrency: { small: 2 } },
      { name: "reads", operation: GetBlob, concurrency: { reads: 2 } },
      { name: "writes", operation: PushBlob, concurrency: { writes: 2 } },
      { name: "all alike", operation: PushBlob, concurrency: 2 }
    ])("$name", ({ concurrency, operation }) =>
      Effect.gen(function*() {
        const { handle, most } = slow()
        const limit = yield* limited(handle, { concurrency })
        const fibers = yield* started(times(6, limit(operation)))
        yield* TestClock.adjust("3 seconds")
        expect(most(operation._tag)).toBe(2)
        yield* Fiber.joinAll(fibers)
      }))

    it.effect("counts each kind of operation separately", () =>
      Effect.gen(function*() {
        const { handle, now } = slow()
        const limit = yield* limited(handle, { concurrency: 1 })
        const fibers = yield* started([GetBlob, PushBlob, ResolveBlob].map((operation) => limit(operation)))
        yield* TestClock.adjust("1 millis")
        expect([now("GetBlob"), now("PushBlob"), now("ResolveBlob")]).toEqual([1, 1, 1])
        yield* Fiber.interruptAll(fibers)
      }))

    it.effect("keeps the permit of content until its scope closes", () =>
      Effect.gen(function*() {
        const limit = yield* limited(samples.known, { concurrency: 1 })
        const second = yield* Effect.scoped(Effect.gen(function*() {
          const { stream } = yield* limit(GetBlob)
          yield* Stream.runDrain(stream)
          const [fiber] = yield* started([limit(GetBlob)])
          yield* TestClock.adjust("1 hour")
          expect(yield* isDone(fiber!)).toBe(false)
          return fiber!
        }))
        yield* Fiber.join(second)
      }))

    it.scoped("keeps no permit for content in memory", () =>
      Effect.gen(function*() {
        const answer = {
          descriptor: samples.descriptor,
          range: undefined,
          body: Body.bytes(samples.bytes),
          verified: true
        }
        const base = Handler.override(samples.suspended(samples.known), {
          GetBlob: () => Effect.suspend(() => Effect.succeed({ ...answer, stream: answer.body.stream }))
        })
        const limit = yield* limited(base, { concurrency: 1 })
        yield* limit(GetBlob)
        yield* limit(GetBlob)
      }))

    it.effect("takes a permit for each page of a list, so that its reader can run operations", () =>
      Effect.gen(function*() {
        const limit = yield* limited(samples.suspended(samples.known), { concurrency: 1 })
        const tags = yield* limit(ListTags)
        const read = Stream.runCollect(Stream.mapEffect(tags, () => limit(ResolveBlob)))
        expect(Chunk.size(yield* read)).toBe(2)
      }))
  })

  describe("a result that is available at once stays so", () => {
    it.effect.each(samples.tags.filter((tag) => tag !== "GetBlob").map((tag) => ({ tag })))(
      "$tag",
      ({ tag }) =>
        Effect.gen(function*() {
          const limit = yield* limited(samples.known, { concurrency: 1, by: "repository" })
          expect(Exit.isExit(limit(samples.operations[tag]))).toBe(true)
        })
    )

    it.effect("but not while other operations wait", () =>
      Effect.gen(function*() {
        const { handle } = slow()
        const base = Handler.override(handle, { ResolveBlob: samples.answers.ResolveBlob })
        const limit = yield* limited(base, { concurrency: 1 })
        const fibers = yield* started(times(2, limit(GetManifest)))
        expect(Exit.isExit(limit(ResolveBlob))).toBe(false)
        yield* TestClock.adjust("2 seconds")
        yield* Fiber.joinAll(fibers)
        expect(Exit.isExit(limit(ResolveBlob))).toBe(true)
      }))
  })

  describe("sharing a limit", () => {
    const other = RepositoryName.make("other")
    const as = (name: string | undefined, network?: string) =>
      Effect.provideService(Caller.Caller, { name, claims: {}, network })
    it.effect.each<{ name: string; by: Limit.Options["by"]; together: number }>([
      { name: "all", by: undefined, together: 1 },
      { name: "of a repository", by: "repository", together: 2 },
      { name: "of a caller, by name or network", by: "caller", together: 5 },
      { name: "by a function", by: (operation, { name }) => `${operation._tag} ${name?.slice(0, 1)}`, together: 2 }
    ])("$name", ({ by, together }) =>
      Effect.gen(function*() {
        const { handle, most } = slow()
        const limit = yield* limited(handle, { concurrency: 1, by })
        const fibers = yield* started([
          limit(ResolveBlob).pipe(as("alice")),
          limit(ResolveBlob).pipe(as("anton")),
          limit(new Operation.ResolveBlob({ repository: other, digest: samples.digest })).pipe(as("alice")),
          limit(ResolveBlob).pipe(as("alice", "192.0.2.1")),
          limit(ResolveBlob).pipe(as(undefined)),
          limit(ResolveBlob).pipe(as(undefined, "192.0.2.1")),
          limit(ResolveBlob).pipe(as(undefined, "192.0.2.2"))
        ])
        yield* TestClock.adjust("8 seconds")
        yield* Fiber.joinAll(fibers)
        expect(most("ResolveBlob")).toBe(together)
      }))
  })

  describe("order of the queue", () => {
    /** Returns the order in which operations start that wait for one token a second. */
    const orderOf = (operations: ReadonlyArray<readonly [string, Operation.Operation]>) =>
      Effect.gen(function*() {
        const order: Array<string> = []
        const limit = yield* limited(samples.suspended(samples.known), {
          rate: { operations: 1, per: "1 second", burst: 1 }
        })
        yield* limit(ResolveBlob)
        const fibers = yield* started(
          operations.map(([name, operation]) => Effect.tap(limit(operation), () => Effect.sync(() => order.push(name))))
        )
        yield* TestClock.adjust(`${operations.length} seconds`)
        yield* Fiber.joinAll(fibers)
        return order.join("")
      })

    it.effect("first in, first out", () =>
      Effect.gen(function*() {
        expect(yield* orderOf([["a", ResolveBlob], ["b", GetManifest], ["c", ListTags], ["d", ResolveBlob]])).toBe(
          "abcd"
        )
        expect(yield* orderOf([["a", PushBlob], ["b", GetBlob], ["c", PushBlob], ["d", GetBlob]])).toBe("abcd")
      }))

    it.effect("small operations before others", () =>
      Effect.gen(function*() {
        expect(yield* orderOf([["A", PushBlob], ["B", GetBlob], ["c", ResolveBlob], ["d", GetManifest]])).toBe("cdAB")
      }))

    it.effect("every fifth operation is a large one, so that none waits forever", () =>
      Effect.gen(function*() {
        const small = [..."abcdefghijk"].map((name) => [name, ResolveBlob] as const)
        expect(yield* orderOf([["X", PushBlob], ["Y", GetBlob], ["Z", PushBlob], ...small])).toBe("abcdXefghYijkZ")
      }))
  })

  describe("rate", () => {
    it.effect("starts a burst after an idle period, then evenly", () =>
      Effect.gen(function*() {
        const { handle, most, now } = slow()
        const limit = yield* limited(handle, { rate: { operations: 2, per: "1 minute", burst: 3 } })
        const fibers = yield* started(times(6, limit(ResolveBlob)))
        expect(most("ResolveBlob")).toBe(3)
        yield* TestClock.adjust("29 seconds")
        expect(now("ResolveBlob")).toBe(0)
        yield* TestClock.adjust("1 seconds")
        expect(now("ResolveBlob")).toBe(1)
        yield* TestClock.adjust("1 minute")
        yield* TestClock.adjust("1 second")
        yield* Fiber.joinAll(fibers)
        yield* TestClock.adjust("90 seconds")
        yield* Fiber.interruptAll(yield* started(times(6, limit(ResolveBlob))))
        expect(most("ResolveBlob")).toBe(3)
      }))

    it.effect("counts a result that is available at once", () =>
      Effect.gen(function*() {
        const limit = yield* limited(samples.known, { rate: { operations: 1, per: "1 second" } })
        const fiber = yield* Effect.fork(Effect.replicateEffect(limit(ResolveBlob), 4))
        yield* TestClock.adjust("2 seconds")
        expect(yield* isDone(fiber)).toBe(false)
        yield* TestClock.adjust("1 second")
        yield* Fiber.join(fiber)
      }))
  })

  describe("a waiting operation", () => {
    it.effect("fails with TooManyRequests and retryAfter if the queue is full", () =>
      Effect.gen(function*() {
        const { handle } = slow()
        const limit = yield* limited(handle, { concurrency: 1, queue: 2 })
        const fibers = yield* started(times(3, limit(PushBlob)))
        const error = yield* Effect.flip(limit(PushBlob))
        expect(error).toBeInstanceOf(RegistryError.TooManyRequests)
        expect(error).toMatchObject({ ...Operation.errorFields(PushBlob), retryAfter: 1000 })
        expect(error.message).toContain("the queue is full: 2 operations are waiting")
        yield* Fiber.interruptAll(fibers)
        const rated = yield* limited(handle, { rate: { operations: 1, per: "10 seconds" }, queue: 2 })
        const others = yield* started(times(3, rated(ResolveBlob)))
        expect(yield* Effect.flip(rated(ResolveBlob))).toMatchObject({ retryAfter: 30_000 })
        yield* Fiber.interruptAll(others)
      }))

    it.effect("leaves the queue when interrupted, and releases a permit that it was given", () =>
      Effect.gen(function*() {
        const { handle, now } = slow()
        const limit = yield* limited(handle, { concurrency: 1, queue: 1 })
        const [first, second] = yield* started(times(2, limit(ResolveBlob)))
        yield* Fiber.interrupt(second!)
        const [third] = yield* started([limit(ResolveBlob)])
        yield* Effect.all([Fiber.interrupt(first!), Fiber.interrupt(third!)], { concurrency: 2 })
        const fibers = yield* started([limit(ResolveBlob)])
        expect(now("ResolveBlob")).toBe(1)
        yield* TestClock.adjust("1 second")
        yield* Fiber.joinAll(fibers)
      }))

    it.effect("releases everything if it is interrupted at the moment of its turn", () =>
      Effect.gen(function*() {
        const { handle, now } = slow()
        const limit = yield* limited(handle, { concurrency: 1 })
        for (let round = 0; round < 20; round++) {
          const [first, second] = yield* started(times(2, limit(ResolveBlob)))
          first!.unsafeInterruptAsFork(first!.id())
          yield* Effect.forEach(times(round % 10, 0), () => Effect.yieldNow())
          yield* Fiber.interrupt(second!)
        }
        const fibers = yield* started([limit(ResolveBlob)])
        expect(now("ResolveBlob")).toBe(1)
        yield* Fiber.interruptAll(fibers)
      }))
  })

  it.effect("releases the permit if the registry throws, fails or is interrupted", () =>
    Effect.gen(function*() {
      let throws = true
      const base: Handler.Handler = (operation) => {
        if (throws) throw new Error("broken")
        return Effect.delay(Effect.fail(new RegistryError.Unavailable(Operation.errorFields(operation))), "1 second")
      }
      for (const options of [{ concurrency: 1 }, { concurrency: 1, by: () => "all" }]) {
        throws = true
        const limit = yield* limited(base, options)
        expect(Exit.isFailure(yield* Effect.exit(Effect.suspend(() => limit(PushBlob))))).toBe(true)
        throws = false
        const fibers = yield* started(times(2, Effect.flip(limit(PushBlob))))
        yield* TestClock.adjust("2 seconds")
        yield* Fiber.joinAll(fibers)
      }
    }))

  it.each<{ name: string; options: Limit.Options; message: string }>([
    {
      name: "0 permits",
      options: { concurrency: 0 },
      message: "concurrency.reads must be a whole number of at least 1"
    },
    { name: "half a permit", options: { concurrency: { writes: 1.5 } }, message: "concurrency.writes" },
    { name: "not a number", options: { concurrency: { small: Number.NaN } }, message: "concurrency.small" },
    {
      name: "a negative queue",
      options: { queue: -1 },
      message: "queue must be a whole number of at least 0"
    },
    {
      name: "a rate of 0",
      options: { rate: { operations: 0, per: 1 } },
      message: "rate.operations must be more than 0"
    },
    { name: "a rate in a time of 0", options: { rate: { operations: 1, per: 0 } }, message: "rate.per" },
    { name: "a burst of 0", options: { rate: { operations: 1, per: 1, burst: 0 } }, message: "rate.burst" }
  ])("options: $name", ({ message, options }) => {
    expect(() => Limit.middleware(options)).toThrow(message)
    expect(() => Limit.wrap(options)).toThrow(RangeError)
  })

  describe("changes nothing", () => {
    it.each<{ name: string; options: Limit.Options }>([
      { name: "without limits", options: {} },
      { name: "one at a time", options: { concurrency: 1 } },
      { name: "by caller, at a rate", options: { by: "caller", concurrency: 1, rate: { operations: 1e9, per: 1 } } }
    ])("$name", ({ options }) => laws.same(Limit.middleware(options), (next) => next, { numRuns: 25 }))
  })
})

describe("copies within one registry end", () => {
  const bytes = new Uint8Array(4096).fill(7)
  const descriptor = Descriptor.fromBytes(bytes)
  const { digest } = descriptor
  const from = RepositoryName.make("from")
  const to = RepositoryName.make("to")

  /** Content in many pieces that can be read only once. */
  const streaming = (base: Handler.Handler): Handler.Handler =>
    Handler.override(base, {
      GetBlob: (operation) =>
        Effect.map(base(operation), (content) => {
          const body = Body.stream(
            Stream.mapEffect(
              Stream.rechunk(Stream.make(bytes.subarray(0, 2048), bytes.subarray(2048)), 1),
              (piece) => Effect.as(Effect.yieldNow(), piece)
            ),
            { size: bytes.byteLength }
          )
          return Object.assign(Object.create(Object.getPrototypeOf(content) as object), content, { body })
        })
    })

  type Copy = (registry: Registry["Type"]) => Effect.Effect<unknown, RegistryError.RegistryError>

  const opened: Copy = ({ handle }) =>
    Effect.scoped(
      Effect.flatMap(handle(new Operation.GetBlob({ repository: from, digest })), ({ body }) =>
        handle(new Operation.PushBlob({ repository: to, descriptor, body })))
    )

  /** Opens the blob when the body is read. */
  const lazy = (registry: Registry["Type"]) =>
    Body.stream(Stream.unwrapScoped(Effect.map(registry.getBlob(from, digest), ({ stream }) => stream)), {
      size: bytes.byteLength
    })

  const lazily: Copy = (registry) => registry.pushBlob(to, descriptor, lazy(registry))

  const inChunks: Copy = (registry) =>
    Effect.gen(function*() {
      const { id } = yield* registry.startUpload(to)
      const upload = yield* registry.appendUpload(to, id, lazy(registry))
      const known = yield* registry.resolveBlob(from, digest)
      yield* registry.completeUpload(to, upload.id, known.digest)
    })

  const lastChunk: Copy = (registry) =>
    Effect.flatMap(
      registry.startUpload(to),
      ({ id }) => registry.completeUpload(to, id, digest, { body: lazy(registry) })
    )

  it.effect.each([1, 4].flatMap((concurrency) => [
    { name: "opened before", concurrency, copies: times(4, opened) },
    { name: "opened as they are read", concurrency, copies: times(4, lazily) },
    { name: "in chunks", concurrency, copies: times(4, inChunks) },
    { name: "with the last chunk", concurrency, copies: times(4, lastChunk) },
    { name: "of all kinds", concurrency, copies: [opened, lazily, inChunks, lastChunk, opened, lazily] }
  ]))("$name, at a limit of $concurrency", ({ concurrency, copies }) =>
    Effect.gen(function*() {
      const memory = yield* Registry
      yield* memory.pushBlob(from, descriptor, Body.bytes(bytes))
      for (const by of [undefined, "repository", "caller"] as const) {
        const registry = Registry.fromHandler(yield* limited(streaming(memory.handle), { concurrency, by }))
        const all = Effect.forEach(copies, (copy) => copy(registry), { concurrency: "unbounded" })
        const fiber = yield* Effect.fork(all)
        yield* TestClock.adjust("1 minute")
        yield* Effect.forEach(times(200, 0), () => Effect.yieldNow())
        expect(yield* isDone(fiber)).toBe(true)
        yield* Fiber.join(fiber)
      }
    }).pipe(Effect.provide(Memory.layer())))
})

it("never exceeds the limit, and runs every operation", () =>
  fc.assert(
    fc.asyncProperty(
      fc.record({
        reads: fc.integer({ min: 1, max: 3 }),
        writes: fc.integer({ min: 1, max: 3 }),
        small: fc.integer({ min: 1, max: 3 })
      }),
      fc.option(fc.record({ operations: fc.integer({ min: 1, max: 5 }), per: fc.constant("1 second" as const) }), {
        nil: undefined
      }),
      fc.array(
        fc.record({
          operation: fc.constantFrom<Operation.Operation>(ResolveBlob, GetManifest, GetBlob, PushBlob),
          at: fc.integer({ min: 0, max: 5000 }),
          interruptedAfter: fc.option(fc.integer({ min: 0, max: 3000 }), { nil: undefined })
        }),
        { maxLength: 30 }
      ),
      async (concurrency, rate, asks) => {
        const kindOf = ({ _tag }: Operation.Operation) =>
          ({ GetBlob: "reads", PushBlob: "writes" })[_tag as string] ?? "small"
        const { handle, most, now } = slow(kindOf)
        let ended = 0
        await Effect.runPromise(
          Effect.gen(function*() {
            const limit = yield* limited(handle, { concurrency, rate })
            const fibers = yield* Effect.forEach(asks, ({ at, interruptedAfter, operation }) => {
              const ask = Effect.zipRight(Effect.scoped(limit(operation)), Effect.sync(() => void ended++))
              const request = interruptedAfter === undefined ? ask : Effect.timeoutOption(ask, interruptedAfter)
              return Effect.fork(Effect.delay(Effect.asVoid(request), at))
            })
            yield* TestClock.adjust("2 minutes")
            yield* Fiber.joinAll(fibers)
          }).pipe(Effect.provide(TestContext.TestContext))
        )
        for (const kind of ["reads", "writes", "small"] as const) {
          expect(most(kind)).toBeLessThanOrEqual(concurrency[kind])
          expect(now(kind)).toBe(0)
        }
        expect(ended).toBeGreaterThanOrEqual(
          asks.filter(({ interruptedAfter }) => interruptedAfter === undefined).length
        )
      }
    ),
    { numRuns: 100 }
  ))
