import * as Body from "@effect-oci/core/Body"
import type { Span } from "@effect-oci/core/ByteRange"
import * as BlobStore from "@effect-oci/store/BlobStore"
import * as StoreError from "@effect-oci/store/StoreError"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as fc from "fast-check"
import type { StoreCheck } from "../../StoreCheck.js"
import { bytes, digest, join, key } from "./samples.js"
import { equal, fails, listsInPages, makeCheck, print, returns } from "./subject.js"

export const blobCheck = makeCheck<BlobStore.BlobStore, BlobStore.Service>((get) => get(BlobStore.BlobStore))

/** The smallest convenient multiple of the granularity: the size of a chunk that is durable as a whole. */
export const chunkSize = ({ granularity }: BlobStore.Service): number => Math.ceil(1000 / granularity) * granularity

/** A body that yields pieces, and lets other fibers run between them. */
export const pieces = (chunks: ReadonlyArray<Uint8Array>, size?: number): Body.Body =>
  Body.stream(Stream.tap(Stream.fromIterable(chunks), () => Effect.yieldNow()), { size })

/** A body that fails after its first bytes. */
export const broken = (content: Uint8Array): Body.Body =>
  Body.stream(Stream.concat(Stream.make(content), Stream.fail(new Error("the connection broke"))))

/** Reads the bytes under a key, or a span of them. */
export const readBytes = (store: BlobStore.Service, from: BlobStore.BlobKey, span?: Span) =>
  Effect.scoped(
    Effect.flatMap(
      // A settled answer has the result at the time of the call.
      Effect.suspend(() => store.read(from, span)),
      (body) => Body.toBytes(body, { limit: Infinity, onLimit: () => new Error("unlimited") as never })
    )
  )

/** Expects that a key has no bytes, and is not listed. */
export const isEmpty = (store: BlobStore.Service, at: BlobStore.BlobKey) =>
  Effect.zipRight(
    fails(readBytes(store, at), new StoreError.NotFound({ key: at })),
    Effect.flatMap(store.list(undefined, 100), (all) => equal(all.filter((stored) => stored.key === at), []))
  )

/** Runs an effect that takes a body, and interrupts it after the body began. */
export const interrupted = <A, E>(take: (body: Body.Body) => Effect.Effect<A, E>, content: Uint8Array) =>
  Effect.gen(function*() {
    const begun = yield* Deferred.make<void>()
    const waiting = Stream.drain(Stream.fromEffect(Effect.zipRight(Deferred.succeed(begun, undefined), Effect.never)))
    const fiber = yield* Effect.fork(take(Body.stream(Stream.concat(Stream.make(content), waiting))))
    yield* Deferred.await(begun)
    yield* Fiber.interrupt(fiber)
  })

const missing = (store: BlobStore.Service, at: number) => isEmpty(store, key(at))

const brokenPuts: ReadonlyArray<readonly [name: string, body: Body.Body]> = [
  ["fails after its first bytes", broken(bytes(500))],
  ["fails at once", Body.stream(Stream.fail(new Error("the connection broke")))],
  ["is shorter than its size", Body.exactly(pieces([bytes(500)]), 1000)],
  ["is longer than its size", Body.exactly(pieces([bytes(1000), bytes(500)]), 1000)],
  ["has another digest", Body.verify(pieces([bytes(999), bytes(1)]), { digest: digest(1000), size: 1000 })]
]

const puts: ReadonlyArray<StoreCheck<BlobStore.BlobStore>> = [
  blobCheck("a key that was never used has no bytes", function*(store) {
    yield* missing(store, 1)
    yield* returns(store.delete([key(1)]), [key(1)])
    yield* returns(store.delete([]), [])
  }),
  ...[0, 1, 1000, 70_000].map((size) =>
    blobCheck(`put stores all bytes of a body: ${size} bytes`, function*(store) {
      const content = bytes(size)
      const bodies = [
        Body.bytes(content),
        pieces([content.subarray(0, size / 3), content.subarray(size / 3)]),
        Body.verify(pieces([content]), { digest: digest(size), size })
      ]
      for (const [n, body] of bodies.entries()) {
        const known = n === 1 ? {} : { size, digest: digest(size) }
        yield* returns(store.put({ key: key(n), body, ...known }), size)
        yield* returns(readBytes(store, key(n)), content)
      }
      yield* returns(store.list(undefined, 10), bodies.map((_, n) => ({ key: key(n), size })))
      yield* returns(store.listUploads(undefined, 10), [])
    })
  ),
  blobCheck("put stores a body that is larger than a chunk", function*(store) {
    const chunk = chunkSize(store)
    const content = bytes(2 * chunk + 1)
    const body = pieces([content.subarray(0, chunk - 1), content.subarray(chunk - 1)])
    yield* returns(store.put({ key: key(1), body }), content.byteLength)
    yield* returns(readBytes(store, key(1)), content)
  }),
  ...brokenPuts.map(([name, body]) =>
    blobCheck(`put stores nothing of a body that ${name}`, function*(store) {
      const error = yield* Effect.flip(store.put({ key: key(1), body, size: 1000, digest: digest(1000) }))
      if (error._tag !== "DigestWrong") {
        yield* equal(print({ ...error, cause: 0 }), print({ _tag: "BodyBroken", cause: 0 }))
      }
      yield* missing(store, 1)
    })
  ),
  blobCheck("put stores nothing if it is interrupted", function*(store) {
    yield* interrupted((body) => store.put({ key: key(1), body }), bytes(500))
    yield* missing(store, 1)
  }),
  blobCheck("put and append run a body once", function*(store) {
    let runs = 0
    const body = Body.stream(Stream.suspend(() => {
      runs++
      return Stream.make(bytes(1000))
    }))
    yield* store.put({ key: key(1), body })
    yield* equal(runs, 1)
    const token = yield* store.openUpload({ id: "upload", key: key(2) })
    yield* store.append({ token, fence: 1, offset: 0, body })
    yield* equal(runs, 2)
  }),
  blobCheck("keeps the bytes of fifty puts at once apart", function*(store) {
    const all = Array.from({ length: 50 }, (_, n) => n)
    const put = (n: number) => store.put({ key: key(n), body: pieces([bytes(n, n), bytes(300, n), bytes(100 * n, n)]) })
    yield* Effect.forEach(all, put, { concurrency: "unbounded" })
    for (const n of all) {
      yield* returns(readBytes(store, key(n)), join([bytes(n, n), bytes(300, n), bytes(100 * n, n)]))
    }
  })
]

const spans = fc.record({
  sizes: fc.array(fc.oneof(fc.nat(60), fc.integer({ min: 1, max: 70_000 })), { maxLength: 5 }),
  from: fc.double({ min: 0, max: 1, noNaN: true }),
  to: fc.double({ min: 0, max: 1, noNaN: true }),
  streamed: fc.boolean()
})

const reads: ReadonlyArray<StoreCheck<BlobStore.BlobStore>> = [
  blobCheck("returns any span of any pieces", function*(store) {
    for (const [n, { from, sizes, streamed, to }] of fc.sample(spans, { numRuns: 40, seed: 1 }).entries()) {
      const chunks = sizes.map((size, at) => bytes(size, n + at))
      const whole = join(chunks)
      yield* store.put({ key: key(n), body: streamed ? pieces(chunks) : Body.bytes(whole) })
      yield* returns(readBytes(store, key(n)), whole)
      const offset = Math.floor(from * whole.byteLength)
      const length = Math.ceil(to * (whole.byteLength - offset))
      if (length === 0) continue
      yield* returns(readBytes(store, key(n), { offset, length }), whole.subarray(offset, offset + length))
    }
  }),
  blobCheck("refuses a span outside the bytes with RangeInvalid and their number", function*(store) {
    yield* store.put({ key: key(1), body: Body.bytes(bytes(12)) })
    for (const span of [{ offset: 5, length: 8 }, { offset: 12, length: 1 }, { offset: 0, length: 13 }]) {
      yield* fails(readBytes(store, key(1), span), new StoreError.RangeInvalid({ key: key(1), size: 12 }))
    }
    yield* fails(readBytes(store, key(2), { offset: 0, length: 1 }), new StoreError.NotFound({ key: key(2) }))
  }),
  blobCheck("serves many reads of one key at once", function*(store) {
    const content = bytes(100_000)
    yield* store.put({ key: key(1), body: Body.bytes(content) })
    const read = (n: number) =>
      returns(readBytes(store, key(1), { offset: n, length: 90_000 }), content.subarray(n, n + 90_000))
    yield* Effect.forEach(Array.from({ length: 30 }, (_, n) => n * 100), read, { concurrency: "unbounded" })
  }),
  blobCheck("finds all bytes again after a restart", function*(store, { reopen }) {
    yield* store.put({ key: key(1), body: Body.bytes(bytes(5000)) })
    yield* store.put({ key: key(2), body: Body.bytes(bytes(1)) })
    yield* store.delete([key(2)])
    yield* reopen
    yield* returns(readBytes(store, key(1)), bytes(5000))
    yield* returns(store.list(undefined, 10), [{ key: key(1), size: 5000 }])
  }, { durable: true })
]

const lists: ReadonlyArray<StoreCheck<BlobStore.BlobStore>> = [
  blobCheck("deletes bytes under keys, and returns all keys that have none", function*(store) {
    for (const n of [1, 2, 3]) yield* store.put({ key: key(n), body: Body.bytes(bytes(n)) })
    for (let times = 0; times < 2; times++) {
      const gone = yield* store.delete([key(3), key(1), key(9)])
      yield* equal(gone.toSorted(), [key(1), key(3), key(9)])
      yield* missing(store, 1)
      yield* returns(readBytes(store, key(2)), bytes(2))
      yield* returns(store.list(undefined, 10), [{ key: key(2), size: 2 }])
    }
  }),
  blobCheck("lists and deletes a thousand keys, in order, in pages of any size", function*(store) {
    const all = Array.from({ length: 1010 }, (_, n) => ({ key: key(3 * n + 1), size: n % 5 }))
    const order = all.toSorted((a, b) => b.size - a.size)
    yield* Effect.forEach(order, (stored) => store.put({ key: stored.key, body: Body.bytes(bytes(stored.size)) }), {
      concurrency: 16
    })
    yield* listsInPages(store.list, all, (stored) => stored.key, [0, 5, 600, 1500, 9999].map(key))
    const gone = yield* store.delete(order.map((stored) => stored.key))
    yield* equal(gone.length, 1010)
    yield* returns(store.list(undefined, 10), [])
  })
]

/** What a blob store promises of stored bytes. */
export const blobBytes: ReadonlyArray<StoreCheck<BlobStore.BlobStore>> = [...puts, ...reads, ...lists]
