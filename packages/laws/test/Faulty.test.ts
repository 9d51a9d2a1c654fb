import { Body, Descriptor, Handler, Operation, Registry, RegistryError, RepositoryName, Tag } from "@effect-oci/core"
import type { Source } from "@effect-oci/core"
import { Memory } from "@effect-oci/store"
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Effect, Exit, Fiber, Option, Stream, TestClock } from "effect"
import * as Faulty from "../src/Faulty.js"

const repository = RepositoryName.make("team/app")
const tag = Tag.make("v1")
const content = Uint8Array.from({ length: 40 }, (_, index) => index)
const descriptor = Descriptor.fromBytes(content)

const halves = Stream.make(content.subarray(0, 25), content.subarray(25))

const source: Source.Source = (sink) => {
  let over = false
  queueMicrotask(() => {
    if (!over) sink.data(content.subarray(0, 25))
    if (!over) sink.data(content.subarray(25))
    if (!over) sink.end()
  })
  return {
    resume: () => {},
    cancel: () => {
      over = true
    }
  }
}

const kinds = [
  { kind: "bytes in memory", body: () => Body.bytes(content) },
  { kind: "a stream", body: () => Body.stream(halves, { size: 40, replayable: true }) },
  { kind: "a native source", body: () => Body.fromSource(source, { size: 40, replayable: true }) }
]

const push = new Operation.PushManifest({ repository, mediaType: "text/plain", bytes: content, tags: [tag] })
const resolve = new Operation.ResolveManifest({ repository, reference: tag })
const pushBlob = (body: Body.Body) => new Operation.PushBlob({ repository, descriptor, body })
const get = new Operation.GetBlob({ repository, digest: descriptor.digest })

/** Returns the registry, and a handler over it that fails by a plan. */
const failing = (plan: Faulty.Plan) =>
  Effect.map(Registry, (registry) => {
    const faulty = Faulty.make(plan)
    return { registry, handle: faulty.middleware(registry.handle), fired: faulty.fired }
  })

const memory = Effect.provide(Memory.layer())

/** Reads a body. Returns its bytes and its exit. */
const read = (body: Body.Body) =>
  Effect.suspend(() => {
    const all: Array<number> = []
    return Effect.map(
      Effect.exit(Body.forEachChunk(body, (chunk) => void all.push(...chunk))),
      (exit) => ({ bytes: Uint8Array.from(all), exit })
    )
  })

describe("a fault", () => {
  it.effect("Fail does not perform the operation", () =>
    Effect.gen(function*() {
      const { fired, handle, registry } = yield* failing(Faulty.operation(1, { _tag: "Fail" }))
      const error = yield* Effect.flip(handle(push))
      expect(error.message).toBe("PushManifest team/app:v1: connection reset")
      expect(RegistryError.isTransient(error)).toBe(true)
      expect(yield* Effect.exit(registry.resolveManifest(repository, tag))).toSatisfy(Exit.isFailure)
      expect(fired()).toEqual([{ operation: "PushManifest", fault: { _tag: "Fail" } }])
      yield* handle(push)
      expect(fired()).toHaveLength(1)
    }).pipe(memory))

  it.effect("Lose performs the operation and loses its answer", () =>
    Effect.gen(function*() {
      const { handle, registry } = yield* failing(Faulty.operation(1, { _tag: "Lose", failure: Faulty.status(502) }))
      expect(yield* Effect.flip(handle(push))).toMatchObject({ _tag: "OciUnknownCode", status: 502 })
      expect(yield* registry.resolveManifest(repository, tag)).toMatchObject({ size: 40 })
    }).pipe(memory))

  it.effect("Stall never answers", () =>
    Effect.gen(function*() {
      const { fired, handle } = yield* failing(Faulty.operation(1, { _tag: "Stall" }))
      const fiber = yield* Effect.fork(handle(resolve))
      yield* TestClock.adjust("1 minute")
      expect(yield* Fiber.poll(fiber)).toEqual(Option.none())
      expect(fired()).toHaveLength(1)
    }).pipe(memory))

  it.effect("Duplicate performs the operation twice", () =>
    Effect.gen(function*() {
      const { handle, registry } = yield* failing(Faulty.operation(2, { _tag: "Duplicate" }))
      yield* handle(push)
      const error = yield* Effect.flip(handle(new Operation.DeleteTag({ repository, tag })))
      expect(error).toBeInstanceOf(RegistryError.ManifestUnknown)
      expect(yield* Stream.runCollect(registry.listTags(repository))).toEqual(Chunk.empty())
    }).pipe(memory))

  it.effect("Duplicate does not happen to a body that can be read only once", () =>
    Effect.gen(function*() {
      const { fired, handle } = yield* failing(Faulty.operation(1, { _tag: "Duplicate" }))
      yield* handle(pushBlob(Body.stream(halves, { size: 40 })))
      expect(fired()).toEqual([])
    }).pipe(memory))

  it.effect.each(kinds)(
    "Lie changes sizes and offsets, but not the content: $kind",
    ({ body }) =>
      Effect.gen(function*() {
        const faulty = Faulty.make(Faulty.operation(1, { _tag: "Lie", by: -3 }, { times: Infinity }))
        const { registry } = yield* failing(Faulty.none)
        yield* registry.pushBlob(repository, descriptor, body())
        const handle = faulty.middleware(registry.handle)
        expect(yield* handle(new Operation.ResolveBlob(get))).toMatchObject({ size: 37 })
        const { body: sent, descriptor: declared } = yield* Effect.scoped(handle(get))
        expect([declared.size, sent.size]).toEqual([37, 37])
        expect(yield* read(sent)).toEqual({ bytes: content, exit: Exit.void })
        expect(yield* handle(new Operation.StartUpload({ repository }))).toMatchObject({ offset: -3 })
        expect(faulty.fired()).toHaveLength(3)
      }).pipe(memory)
  )

  it.effect.each([
    { name: "reset", failure: undefined, tag: "OciTransportError" },
    { name: "tooManyRequests", failure: Faulty.tooManyRequests(1000), tag: "OciTooManyRequests" },
    { name: "unavailable", failure: Faulty.unavailable(1000), tag: "OciUnavailable" },
    { name: "status", failure: Faulty.status(500), tag: "OciUnknownCode" }
  ])("$name is a transient error with the fields of the operation", ({ failure, tag }) =>
    Effect.gen(function*() {
      const fault: Faulty.Fault = failure === undefined ? { _tag: "Fail" } : { _tag: "Fail", failure }
      const { handle } = yield* failing(Faulty.operation(1, fault))
      const error = yield* Effect.flip(handle(resolve))
      expect(error).toMatchObject({ _tag: tag, operation: "ResolveManifest", repository, reference: tag && "v1" })
      expect(RegistryError.isTransient(error)).toBe(true)
    }).pipe(memory))

  it.effect("happens at the k-th operation that `only` selects, `times` times", () =>
    Effect.gen(function*() {
      const only = ({ _tag }: Operation.Operation) => _tag === "ResolveManifest"
      const { fired, handle } = yield* failing(Faulty.operation(2, { _tag: "Fail" }, { only, times: 2 }))
      const succeeded: Array<boolean> = []
      for (const operation of [push, resolve, push, resolve, push, resolve, resolve]) {
        succeeded.push(Exit.isSuccess(yield* Effect.exit(handle(operation))))
      }
      expect(succeeded).toEqual([true, true, true, false, true, false, true])
      expect(fired().map(({ operation }) => operation)).toEqual(["ResolveManifest", "ResolveManifest"])
    }).pipe(memory))
})

describe("Cut", () => {
  it.effect.each(kinds)(
    "breaks a download after the given number of bytes: $kind",
    ({ body }) =>
      Effect.gen(function*() {
        const { registry } = yield* failing(Faulty.none)
        yield* registry.pushBlob(repository, descriptor, body())
        for (const after of [0, 1, 24, 25, 26, 39, 40, 41]) {
          for (const how of ["fails", "ends"] as const) {
            const faulty = Faulty.make(Faulty.operation(1, { _tag: "Cut", after, how }))
            const { body: sent } = yield* Effect.scoped(faulty.middleware(registry.handle)(get))
            const { bytes, exit } = yield* read(sent)
            expect(bytes).toEqual(content.subarray(0, after))
            expect(Exit.isSuccess(exit)).toBe(how === "ends")
            expect(faulty.fired()).toHaveLength(how === "ends" && after >= 40 ? 0 : 1)
          }
        }
      }).pipe(memory)
  )

  it.effect.each(kinds)("stalls a download: $kind", ({ body }) =>
    Effect.gen(function*() {
      const registry = yield* Registry
      yield* registry.pushBlob(repository, descriptor, body())
      const faulty = Faulty.make(Faulty.operation(1, { _tag: "Cut", after: 30, how: "stalls" }))
      const { body: sent } = yield* Effect.scoped(faulty.middleware(registry.handle)(get))
      const fiber = yield* Effect.fork(read(sent))
      yield* TestClock.adjust("1 minute")
      expect(yield* Fiber.poll(fiber)).toEqual(Option.none())
      yield* Fiber.interrupt(fiber)
    }).pipe(memory))

  it.effect.each(kinds)(
    "breaks an upload, so that the registry receives only the first bytes: $kind",
    ({ body }) =>
      Effect.gen(function*() {
        for (const after of [0, 30, 40]) {
          const seen: Array<number> = []
          const { registry } = yield* failing(Faulty.none)
          const watching = Handler.override(registry.handle, {
            PushBlob: (operation) =>
              Effect.as(
                Effect.ignore(Body.forEachChunk(operation.body, (chunk) => void seen.push(...chunk))),
                operation.descriptor
              )
          })
          const faulty = Faulty.make(Faulty.operation(1, { _tag: "Cut", after }))
          // The registry accepts the truncated body, but its answer is lost.
          expect(yield* Effect.flip(faulty.middleware(watching)(pushBlob(body())))).toMatchObject({
            _tag: "OciTransportError"
          })
          expect(Uint8Array.from(seen)).toEqual(content.subarray(0, after))
        }
      }).pipe(memory)
  )

  it.effect("breaks the chunks and the completion of an upload", () =>
    Effect.gen(function*() {
      const { handle, registry } = yield* failing(Faulty.operation(1, { _tag: "Cut", after: 3 }, { times: 2 }))
      const { id } = yield* registry.startUpload(repository)
      const body = Body.bytes(content)
      expect(yield* Effect.flip(handle(new Operation.AppendUpload({ repository, id, body }))))
        .toBeInstanceOf(RegistryError.TransportError)
      const last = new Operation.CompleteUpload({ repository, id, digest: descriptor.digest, body })
      expect(yield* Effect.flip(handle(last))).toBeInstanceOf(RegistryError.TransportError)
      expect(yield* registry.getUpload(repository, id)).toMatchObject({ offset: 0 })
    }).pipe(memory))

  it.effect("breaks a list after the given number of items", () =>
    Effect.gen(function*() {
      const { registry } = yield* failing(Faulty.none)
      const tags = ["a", "b", "c"].map((each) => Tag.make(each))
      yield* registry.pushManifest(repository, { mediaType: "text/plain", bytes: content, tags })
      for (const after of [0, 2, 3]) {
        const faulty = Faulty.make(Faulty.operation(1, { _tag: "Cut", after }))
        const cut = Registry.fromHandler(faulty.middleware(registry.handle))
        const seen: Array<string> = []
        const exit = yield* Effect.exit(
          Stream.runForEach(cut.listTags(repository), (each) => Effect.sync(() => seen.push(each)))
        )
        expect(exit).toSatisfy(Exit.isFailure)
        expect(seen).toEqual(tags.slice(0, after))
      }
    }).pipe(memory))
})

describe("a plan", () => {
  it.effect("by bytes breaks at the k-th byte of uploads and downloads together", () =>
    Effect.gen(function*() {
      for (const { body } of kinds) {
        for (const k of [1, 40, 41, 80, 81]) {
          const { fired, handle } = yield* failing(Faulty.byte(k))
          const pushed = yield* Effect.exit(handle(pushBlob(body())))
          expect(Exit.isSuccess(pushed)).toBe(k > 40)
          if (k <= 40) yield* handle(pushBlob(body()))
          const { bytes, exit } = yield* Effect.flatMap(Effect.scoped(handle(get)), (found) => read(found.body))
          expect(bytes).toEqual(k > 40 ? content.subarray(0, k - 41) : content)
          expect(Exit.isSuccess(exit)).toBe(k <= 40 || k > 80)
          expect(fired()).toHaveLength(k > 80 ? 0 : 1)
        }
      }
    }).pipe(memory))

  it.effect("at random has the same faults for the same seed", () =>
    Effect.gen(function*() {
      const faults: ReadonlyArray<Faulty.Fault> = [{ _tag: "Fail" }, { _tag: "Lose" }]
      const outcomes = (seed: number, share: number) =>
        Effect.gen(function*() {
          const { fired, handle } = yield* failing(Faulty.random({ seed, share, faults }))
          yield* Effect.replicateEffect(Effect.exit(handle(push)), 100)
          return fired().map(({ fault }) => fault._tag).join(" ")
        })
      expect(yield* outcomes(7, 0.5)).toBe(yield* outcomes(7, 0.5))
      expect(yield* outcomes(7, 0.5)).not.toBe(yield* outcomes(8, 0.5))
      expect((yield* outcomes(7, 0.5)).split(" ").length).toBeGreaterThan(25)
      expect(yield* outcomes(7, 0)).toBe("")
      expect((yield* outcomes(7, 1)).split(" ")).toHaveLength(100)
      expect(new Set((yield* outcomes(7, 1)).split(" ")).size).toBe(2)
    }).pipe(memory))

  it.effect("of several plans uses the first fault that any plan has", () =>
    Effect.gen(function*() {
      const { fired, handle } = yield* failing(
        Faulty.all(
          Faulty.operation(1, { _tag: "Fail" }),
          Faulty.operation(1, { _tag: "Lose" }, { times: 2 }),
          Faulty.byte(1)
        )
      )
      yield* Effect.replicateEffect(Effect.exit(handle(push)), 3)
      yield* Effect.exit(handle(pushBlob(Body.bytes(content))))
      expect(fired().map(({ fault }) => fault._tag)).toEqual(["Fail", "Lose", "Cut"])
    }).pipe(memory))

  it.effect("without faults changes nothing", () =>
    Effect.gen(function*() {
      const { fired, handle } = yield* failing(Faulty.none)
      yield* handle(pushBlob(Body.bytes(content)))
      const found = yield* Effect.scoped(handle(get))
      expect(found.body.bytes).toEqual(content)
      expect(fired()).toEqual([])
    }).pipe(memory))

  it.effect("starts again with each wrapper that is created from it", () =>
    Effect.gen(function*() {
      const plan = Faulty.operation(1, { _tag: "Fail" })
      const one = Faulty.make(plan)
      const registry = yield* Registry.pipe(
        Effect.provide(Memory.layer().pipe(Faulty.wrap(one), Faulty.wrap(Faulty.make(plan))))
      )
      const exits = yield* Effect.replicateEffect(Effect.exit(registry.handle(push)), 3)
      expect(exits.map(Exit.isSuccess)).toEqual([false, false, true])
      expect(one.fired()).toHaveLength(1)
    }))
})
