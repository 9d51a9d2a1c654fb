import {
  Answer,
  BlobContent,
  Body,
  Descriptor,
  Digest,
  Handler,
  Middleware,
  Operation,
  Registry,
  RegistryError
} from "@effect-oci/core"
import * as samples from "@effect-oci/testing/RegistrySamples"
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Queue, Scope, Stream, TestClock } from "effect"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { Cache } from "../src/index.js"
import { blobs, collect, during, image, make, push, read, repository, sum, text } from "./cache.js"
import type { World } from "./cache.js"

const piece = 1024
const large = image(Uint8Array.from({ length: 64 * piece }, (_, index) => index % 251))
const { blob } = large
const whole = sum(large.content)

const pieces = (offset = 0) =>
  Array.from({ length: 64 }, (_, index) => large.content.slice(index * piece, (index + 1) * piece)).slice(
    offset / piece
  )

/** Serves content in pieces, each after the gate opens. */
const gated = (gate: Effect.Effect<unknown>): Middleware.Middleware =>
  blobs(({ range }) =>
    Body.stream(Stream.mapEffect(Stream.fromIterable(pieces(range?.offset)), (piece) => Effect.as(gate, piece)), {
      size: blob.size
    })
  )

const flowing = gated(Effect.yieldNow())

const open = (world: World) => world.cache.getBlob(repository, blob.digest)

/** Reads the first piece, and the rest after `go`. */
const stalling = (world: World, go: Deferred.Deferred<void>) =>
  Effect.scoped(Effect.flatMap(open(world), ({ stream }) => {
    let first = true
    return collect(Stream.mapEffect(Stream.rechunk(stream, 1), (piece) => {
      const wait = first ? Deferred.await(go) : Effect.void
      first = false
      return Effect.as(wait, piece)
    }))
  }))

/** Serves content that breaks after some pieces. */
const cut = (after: number, error: RegistryError.RegistryError): Middleware.Middleware =>
  blobs(() =>
    Body.stream(Stream.concat(Stream.fromIterable(pieces().slice(0, after)), Stream.fail(error)), { size: blob.size })
  )

/** Applies a middleware to the first read of a blob only. */
const first = (middleware: Middleware.Middleware): Middleware.Middleware => (next) => {
  let reads = 0
  const wrapped = middleware(next)
  return (operation) => operation._tag === "GetBlob" && reads++ === 0 ? wrapped(operation) : next(operation)
}

const reset = new RegistryError.TransportError({ reason: "connection reset" })

/** Lets other fibers run. */
const turns = Effect.repeatN(Effect.yieldNow(), 200)

/** Waits until a condition is true. */
const until = (condition: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => condition() ? Effect.void : Effect.zipRight(Effect.yieldNow(), until(condition)))

const isIn = (world: World) =>
  Effect.map(during(world.base, read(world.cache, blob)), (requests) => requests.length === 0)

const collectGarbage = (() => {
  setFlagsFromString("--expose-gc")
  return runInNewContext("gc") as () => void
})()

describe("a fill", () => {
  it.scoped("reads and stores a missing blob once for a hundred readers", () =>
    Effect.gen(function*() {
      const world = yield* make({ base: flowing })
      yield* push(world, large)
      const requests = yield* during(
        world.base,
        Effect.gen(function*() {
          const all = yield* Effect.forEach(Array.from({ length: 100 }), () => read(world.cache, blob), {
            concurrency: "unbounded"
          })
          for (const one of all) expect(one).toBe(whole)
        })
      )
      expect(requests).toEqual(["GetBlob"])
      expect(world.store.seen.filter((name) => name === "PushBlob")).toHaveLength(1)
    }))

  it.scoped("fetches a blob once even if the store answers slowly", () =>
    Effect.gen(function*() {
      let lookups = 0
      const between: Middleware.Middleware = (next) =>
        Handler.override(next, {
          GetBlob: (operation) =>
            Effect.suspend(() => {
              const late = Effect.repeatN(Effect.yieldNow(), lookups++ * 300)
              return Effect.flatMap(Effect.exit(next(operation)), (exit) => Effect.zipRight(late, exit))
            })
        })
      const world = yield* make({ between })
      yield* push(world, large)
      const both = Effect.all([read(world.cache, blob), read(world.cache, blob)], { concurrency: 2 })
      expect(yield* during(world.base, both)).toEqual(["GetBlob"])
    }))

  it.scoped("does not wait for a stalled reader, which then reads the rest from the store", () =>
    Effect.gen(function*() {
      const world = yield* make({ base: flowing, bufferBytes: 4 * piece })
      yield* push(world, large)
      const go = yield* Deferred.make<void>()
      const stalled = yield* Effect.fork(stalling(world, go))
      yield* until(() => world.base.seen.length > 0)
      expect(yield* read(world.cache, blob)).toBe(whole)
      expect(yield* Fiber.poll(stalled)).toMatchObject({ _tag: "None" })
      yield* Deferred.succeed(go, undefined)
      expect(yield* Fiber.join(stalled)).toBe(whole)
      expect(world.base.seen).toEqual(["GetBlob"])
    }))

  it.scopedLive("buffers no more than the window for a stalled reader", () =>
    Effect.gen(function*() {
      const count = 512
      const size = 64 * 1024
      const alive: Array<WeakRef<ArrayBufferLike>> = []
      const fresh = (index: number) => {
        const piece = new Uint8Array(size).fill(index % 251)
        alive.push(new WeakRef(piece.buffer))
        return piece
      }
      const hasher = Digest.hasher("sha256")
      for (let index = 0; index < count; index++) hasher.update(fresh(index))
      const descriptor = { ...blob, digest: hasher.digest(), size: count * size }
      const content = new BlobContent.BlobContent({
        descriptor,
        body: Body.stream(Stream.map(Stream.rechunk(Stream.range(0, count - 1), 1), fresh), { size: descriptor.size }),
        verified: false
      })
      const base = Handler.override(samples.known, { GetBlob: () => Effect.succeed(content) })
      let stored = 0
      const store = Handler.override(samples.known, {
        GetBlob: (operation) => Answer.fail(new RegistryError.BlobUnknown(Operation.errorFields(operation))),
        PushBlob: ({ body }) =>
          Effect.as(
            Body.forEachChunk(body, (piece) => {
              stored += piece.byteLength
            }),
            descriptor
          )
      })
      const middleware = yield* Cache.middleware({ store: Registry.fromHandler(store), bufferBytes: 1024 * 1024 })
      const { getBlob } = Registry.fromHandler(middleware(base))
      const { stream } = yield* getBlob(repository, descriptor.digest)
      const pull = yield* Stream.toPull(Stream.rechunk(stream, 1))
      yield* pull
      yield* Effect.repeat(Effect.sleep("5 millis"), { until: () => stored === descriptor.size })
      yield* Effect.sleep("5 millis")
      collectGarbage()
      const retained = alive.filter((buffer) => buffer.deref() !== undefined).length * size
      expect(retained).toBeGreaterThan(0)
      // The window, the read-ahead of a stream, and a small margin.
      expect(retained).toBeLessThan(3 * 1024 * 1024)
    }))

  it.scoped("continues when its first reader disconnects, and without any reader", () =>
    Effect.gen(function*() {
      const gate = yield* Queue.unbounded<unknown>()
      const world = yield* make({ base: gated(Queue.take(gate)) })
      yield* push(world, large)
      const first = yield* Effect.fork(read(world.cache, blob))
      yield* until(() => world.base.seen.length > 0)
      const second = yield* Effect.fork(read(world.cache, blob))
      yield* Queue.offer(gate, undefined)
      yield* turns
      yield* Fiber.interrupt(first)
      yield* Queue.offer(gate, undefined)
      yield* turns
      yield* Fiber.interrupt(second)
      yield* Queue.offerAll(gate, pieces())
      yield* until(() => world.store.seen.includes("PushBlob"))
      yield* turns
      expect(yield* isIn(world)).toBe(true)
      expect(world.base.seen).toEqual(["GetBlob"])
    }))

  it.scoped("ends with the scope of the cache", () =>
    Effect.gen(function*() {
      const closed = yield* Deferred.make<void>()
      const gone: Middleware.Middleware = (next) => (operation) =>
        operation._tag === "GetBlob"
          ? Effect.zipRight(Effect.addFinalizer(() => Deferred.succeed(closed, undefined)), next(operation)) as never
          : next(operation)
      const scope = yield* Scope.make()
      const world = yield* Scope.extend(make({ base: Middleware.compose(gated(Effect.never), gone) }), scope)
      yield* push(world, large)
      yield* Effect.fork(read(world.cache, blob))
      yield* until(() => world.store.seen.includes("PushBlob"))
      yield* Scope.close(scope, Exit.void)
      yield* Deferred.await(closed)
      expect(yield* Effect.exit(world.store.registry.resolveBlob(repository, blob.digest))).toMatchObject({
        _tag: "Failure"
      })
    }))

  describe("of wrong content", () => {
    const rows: ReadonlyArray<{
      readonly name: string
      readonly base: Middleware.Middleware
      readonly error: Partial<RegistryError.RegistryError>
    }> = [
      { name: "breaks", base: cut(3, reset), error: { _tag: "OciTransportError", reason: "connection reset" } },
      {
        name: "ends too early",
        base: blobs(() => Body.stream(Stream.fromIterable(pieces().slice(0, 3)))),
        error: { _tag: "OciSizeInvalid", repository, reference: blob.digest }
      },
      {
        name: "is too long",
        base: blobs(() => Body.stream(Stream.fromIterable([...pieces(), new Uint8Array(1)]))),
        error: { _tag: "OciSizeInvalid" }
      },
      {
        name: "does not match its digest",
        base: blobs(() => Body.stream(Stream.make(new Uint8Array(blob.size)))),
        error: { _tag: "OciDigestInvalid", repository, reference: blob.digest }
      }
    ]

    it.scoped.each(rows)("fails its readers and stores nothing: $name", ({ base, error }) =>
      Effect.gen(function*() {
        const world = yield* make({ base })
        yield* push(world, large)
        const readers = Effect.all([0, 1, 2].map(() => Effect.flip(read(world.cache, blob))), {
          concurrency: "unbounded"
        })
        for (const found of yield* readers) expect(found).toMatchObject(error)
        expect(yield* Effect.flip(world.store.registry.resolveBlob(repository, blob.digest))).toMatchObject({
          _tag: "OciBlobUnknown"
        })
      }))
  })

  it.scoped("fails readers that have received bytes of broken content; other readers ask the upstream", () =>
    Effect.gen(function*() {
      const gate = yield* Queue.unbounded<unknown>()
      const broken = blobs(({ body }) => Body.stream(Stream.concat(Stream.take(body.stream, 8), reset)))
      const base = first(Middleware.compose(gated(Queue.take(gate)), broken))
      const world = yield* make({ base, bufferBytes: 2 * piece })
      yield* push(world, large)
      const some = yield* Effect.fork(read(world.cache, blob))
      yield* until(() => world.store.seen.includes("PushBlob"))
      yield* turns
      yield* Queue.offerAll(gate, pieces().slice(0, 7))
      yield* turns
      // This reader starts after the window has moved past the first bytes.
      const none = yield* Effect.fork(read(world.cache, blob))
      yield* turns
      yield* Queue.offerAll(gate, pieces())
      expect(yield* Effect.flip(Fiber.join(some))).toMatchObject({ _tag: "OciTransportError" })
      expect(yield* Fiber.join(none)).toBe(whole)
      expect(world.base.seen).toEqual(["GetBlob", "GetBlob"])
    }))

  it.scoped("makes a late reader wait at most maxWait, and then read from the upstream", () =>
    Effect.gen(function*() {
      const gate = yield* Queue.unbounded<unknown>()
      const base = first(gated(Queue.take(gate)))
      const world = yield* make({ base, bufferBytes: piece, maxWait: "20 seconds" })
      yield* push(world, large)
      const inStep = yield* Effect.fork(read(world.cache, blob))
      yield* until(() => world.store.seen.includes("PushBlob"))
      yield* turns
      yield* Queue.offerAll(gate, pieces().slice(0, 9))
      yield* turns
      const late = yield* Effect.fork(read(world.cache, blob))
      yield* turns
      yield* TestClock.adjust("19 seconds")
      expect(yield* Fiber.poll(late)).toMatchObject({ _tag: "None" })
      yield* TestClock.adjust("1 seconds")
      expect(yield* Fiber.join(late)).toBe(whole)
      yield* Queue.offerAll(gate, pieces())
      expect(yield* Fiber.join(inStep)).toBe(whole)
      expect(world.base.seen).toEqual(["GetBlob", "GetBlob"])
    }))

  it.scoped("continues from the upstream by range if the store fails in the middle", () =>
    Effect.gen(function*() {
      const ranges: Array<unknown> = []
      const base: Middleware.Middleware = (next) => (operation) => {
        if (operation._tag === "GetBlob") ranges.push(operation.range)
        return flowing(next)(operation)
      }
      const full: Middleware.Middleware = (next) => (operation) =>
        operation._tag === "PushBlob"
          ? next(
            new Operation.PushBlob({
              ...operation,
              body: Body.stream(
                Stream.concat(
                  Stream.take(Stream.rechunk(operation.body.stream, 1), 8),
                  Stream.fail(new RegistryError.Denied({ reason: "the disk is full" }))
                ),
                { size: blob.size }
              )
            })
          ) as never
          : next(operation)
      const world = yield* make({ base, between: full })
      yield* push(world, large)
      expect(yield* read(world.cache, blob)).toBe(whole)
      expect(ranges).toEqual([undefined, { offset: 8 * piece }])
    }))

  it.scoped("runs at most maxFills fills, and forwards other reads", () =>
    Effect.gen(function*() {
      const world = yield* make({ base: flowing, maxFills: 1 })
      yield* push(world, large)
      const { digest } = Descriptor.fromBytes(text("small"))
      yield* world.behind.pushBlob(repository, Descriptor.fromBytes(text("small")), Body.bytes(text("small")))
      const fiber = yield* Effect.fork(read(world.cache, blob))
      yield* until(() => world.store.seen.includes("PushBlob"))
      yield* Effect.exit(Effect.scoped(world.cache.getBlob(repository, digest)))
      expect(world.store.seen.filter((name) => name === "PushBlob")).toHaveLength(1)
      yield* Fiber.join(fiber)
      expect(yield* isIn(world)).toBe(true)
    }))

  it.scoped("returns content that can be read again", () =>
    Effect.gen(function*() {
      const world = yield* make({ base: flowing, bufferBytes: piece })
      yield* push(world, large)
      const { body } = yield* open(world)
      expect(body).toMatchObject({ replayable: true, size: blob.size })
      expect(yield* collect(body.stream)).toBe(whole)
      expect(yield* collect(body.stream)).toBe(whole)
      expect(world.base.seen).toEqual(["GetBlob"])
    }))

  it.scoped("stores an empty blob", () =>
    Effect.gen(function*() {
      const world = yield* make()
      const empty = image(new Uint8Array(0))
      yield* push(world, empty)
      expect(yield* read(world.cache, empty.blob)).toBe(sum(empty.content))
      expect(yield* during(world.base, read(world.cache, empty.blob))).toEqual([])
    }))

  it.scoped("sends no byte twice to readers if the store reads the body again", () =>
    Effect.gen(function*() {
      const twice: Middleware.Middleware = (next) => (operation) =>
        operation._tag === "PushBlob"
          ? Effect.zipRight(
            Stream.runDrain(Stream.take(Stream.rechunk(operation.body.stream, 1), 5)),
            Effect.suspend(() => next(operation))
          ) as never
          : next(operation)
      const world = yield* make({ base: flowing, between: twice })
      yield* push(world, large)
      const readers = Effect.all([read(world.cache, blob), read(world.cache, blob)], { concurrency: 2 })
      for (const found of yield* readers) expect(found).toBe(whole)
    }))
})
