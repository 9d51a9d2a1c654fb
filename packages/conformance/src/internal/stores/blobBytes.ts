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
import { bytes, digest, key } from "./samples.js"
import { equal, fails, listsInPages, makeCheck, returns } from "./subject.js"

export const blobCheck = makeCheck<BlobStore.BlobStore, BlobStore.Service>((get) => get(BlobStore.BlobStore))

/** The smallest convenient multiple of the granularity: the size of a chunk that is durable as a whole. */
export const chunkSize = ({ granularity }: BlobStore.Service): number => Math.ceil(1000 / granularity) * granularity

/** A body that yields bytes in two pieces, and lets other fibers run between them. */
export const pieces = (content: Uint8Array, at = content.byteLength / 2): Body.Body => {
  const parts = [content.subarray(0, at), content.subarray(at)]
  return Body.stream(Stream.tap(Stream.fromIterable(parts), () => Effect.yieldNow()))
}

/** A body that fails after its first bytes. */
export const broken = (content: Uint8Array): Body.Body =>
  Body.stream(Stream.concat(Stream.make(content), Stream.fail(new Error("the connection broke"))))

/** A body that signals when it was read half, and waits for a permission to yield the second half. */
export const paused = (content: Uint8Array) =>
  Effect.gen(function*() {
    const [begun, mayEnd] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
    const half = content.byteLength / 2
    const second = Deferred.succeed(begun, undefined).pipe(
      Effect.zipRight(Deferred.await(mayEnd)),
      Effect.as(content.subarray(half))
    )
    const body = Body.stream(Stream.concat(Stream.make(content.subarray(0, half)), Stream.fromEffect(second)))
    return { body, begun: Deferred.await(begun), end: Deferred.succeed(mayEnd, undefined) }
  })

/** Runs an effect that takes a body, and interrupts it within the body. */
export const interrupted = <A, E>(take: (body: Body.Body) => Effect.Effect<A, E>, content: Uint8Array) =>
  Effect.gen(function*() {
    const { begun, body } = yield* paused(content)
    const fiber = yield* Effect.fork(take(body))
    yield* begun
    yield* Fiber.interrupt(fiber)
  })

/** Reads a body. */
export const readBody = (body: Body.Body) =>
  Body.toBytes(body, { limit: Infinity, onLimit: () => new Error("unlimited") as never })

/** Reads the bytes under a key, or a span of them. */
export const readBytes = (store: BlobStore.Service, from: BlobStore.BlobKey, span?: Span) =>
  Effect.scoped(Effect.flatMap(store.read(from, span), readBody))

/** Expects that the n-th key has no bytes, and is not listed. */
export const isEmpty = (store: BlobStore.Service, n: number) =>
  Effect.gen(function*() {
    yield* fails(readBytes(store, key(n)), new StoreError.NotFound({ key: key(n) }))
    yield* equal((yield* store.list(undefined, 100)).filter((stored) => stored.key === key(n)), [])
  })

const samples = fc.record({
  size: fc.oneof(fc.constantFrom(0, 1, 1000), fc.nat(200_000)),
  from: fc.double({ min: 0, max: 1, noNaN: true }),
  to: fc.double({ min: 0, max: 1, noNaN: true }),
  streamed: fc.boolean()
})

const brokenPuts: ReadonlyArray<readonly [name: string, body: Body.Body]> = [
  ["fails after its first bytes", broken(bytes(500))],
  ["fails at once", Body.stream(Stream.fail(new Error("the connection broke")))],
  ["is shorter than its size", Body.exactly(pieces(bytes(500)), 1000)],
  ["is longer than its size", Body.exactly(pieces(bytes(1500)), 1000)],
  ["has another digest", Body.verify(pieces(bytes(1000, 1)), { digest: digest(1000), size: 1000 })]
]

/** What a blob store promises of stored bytes. */
export const blobBytes: ReadonlyArray<StoreCheck<BlobStore.BlobStore>> = [
  blobCheck("put stores all bytes of each of many bodies at once, and read returns any span of them", function*(store) {
    const all = fc.sample(samples, { numRuns: 40, seed: 1 }).map((sample, n) => ({ ...sample, key: key(n) }))
    const large = { size: 2 * chunkSize(store) + 1, from: 0.5, to: 1, streamed: true, key: key(50) }
    yield* Effect.forEach([...all, large], ({ key, size, streamed }, n) => {
      const content = bytes(size, n)
      const known = streamed ? {} : { size, digest: digest(size, n) }
      return returns(store.put({ key, body: streamed ? pieces(content) : Body.bytes(content), ...known }), size)
    }, { concurrency: "unbounded" })
    yield* returns(store.list(undefined, 100), [...all, large].map(({ key, size }) => ({ key, size })))
    yield* returns(store.listUploads(undefined, 10), [])
    for (const [n, { from, key, size, to }] of [...all, large].entries()) {
      yield* returns(readBytes(store, key), bytes(size, n))
      const offset = Math.floor(from * size)
      const length = Math.ceil(to * (size - offset))
      if (length === 0) continue
      yield* returns(readBytes(store, key, { offset, length }), bytes(size, n).subarray(offset, offset + length))
    }
  }),
  ...brokenPuts.map(([name, body]) =>
    blobCheck(`put stores nothing of a body that ${name}`, function*(store) {
      const error = yield* Effect.flip(store.put({ key: key(1), body, size: 1000, digest: digest(1000) }))
      if (error._tag !== "OciStoreDigestWrong") {
        yield* equal({ ...error, cause: 0 }, { _tag: "OciStoreBodyBroken", cause: 0 })
      }
      yield* isEmpty(store, 1)
    })
  ),
  blobCheck("put stores nothing if it is interrupted", function*(store) {
    yield* interrupted((body) => store.put({ key: key(1), body }), bytes(500))
    yield* isEmpty(store, 1)
  }),
  blobCheck("put and append run a body once", function*(store) {
    let runs = 0
    const body = Body.stream(Stream.suspend(() => Stream.make(bytes(++runs))))
    yield* returns(store.put({ key: key(1), body }), 1)
    const token = yield* store.openUpload({ id: "upload", key: key(2) })
    yield* equal((yield* store.append({ token, fence: 1, offset: 0, body })).offset, 2)
  }),
  blobCheck("read refuses an unknown key, and a span outside the bytes with their number", function*(store) {
    yield* store.put({ key: key(1), body: Body.bytes(bytes(12)) })
    for (const span of [{ offset: 5, length: 8 }, { offset: 12, length: 1 }, { offset: 0, length: 13 }]) {
      yield* fails(readBytes(store, key(1), span), new StoreError.RangeInvalid({ key: key(1), size: 12 }))
    }
    yield* fails(readBytes(store, key(2), { offset: 0, length: 1 }), new StoreError.NotFound({ key: key(2) }))
    yield* isEmpty(store, 2)
  }),
  blobCheck("delete removes the bytes under keys, and returns all keys that have none", function*(store) {
    for (const n of [1, 2, 3]) yield* store.put({ key: key(n), body: Body.bytes(bytes(n)) })
    for (let times = 0; times < 2; times++) {
      yield* equal((yield* store.delete([key(3), key(1), key(9)])).toSorted(), [1, 3, 9].map(key))
      for (const n of [1, 3, 9]) yield* isEmpty(store, n)
      yield* returns(readBytes(store, key(2)), bytes(2))
      yield* returns(store.list(undefined, 10), [{ key: key(2), size: 2 }])
    }
    yield* returns(store.delete([]), [])
  }),
  blobCheck("lists and deletes a thousand keys, in order, in pages of any size", function*(store) {
    const all = Array.from({ length: 1010 }, (_, n) => ({ key: key(3 * n + 1), size: n % 5 }))
    const order = all.toSorted((a, b) => b.size - a.size)
    const put = ({ key, size }: BlobStore.StoredBytes) => store.put({ key, body: Body.bytes(bytes(size)) })
    yield* Effect.forEach(order, put, { concurrency: 16 })
    yield* listsInPages(store.list, all, (stored) => stored.key, [0, 5, 600, 1500, 9999].map(key))
    yield* equal((yield* store.delete(order.map((stored) => stored.key))).length, 1010)
    yield* returns(store.list(undefined, 10), [])
  })
]
