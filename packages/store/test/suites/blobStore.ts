import { Body } from "@effect-oci/core"
import { BlobStore } from "@effect-oci/store"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Stream, TestClock } from "effect"
import type { Layer } from "effect"
import * as fc from "fast-check"
import { hello, read, sizeOf, text } from "../fixtures.js"

const key = BlobStore.BlobKey("b1f2e5a6-0000-4000-8000-000000000001")
const otherKey = BlobStore.BlobKey("b1f2e5a6-0000-4000-8000-000000000002")

const store = BlobStore.BlobStore

/** Stores bytes under a key, piece by piece. */
const put = (to: BlobStore.BlobKey, chunks: ReadonlyArray<Uint8Array>, id = "upload") =>
  Effect.gen(function*() {
    const blobs = yield* store
    let state: BlobStore.Appended = { offset: 0, token: yield* blobs.openUpload(id) }
    for (const chunk of chunks) state = yield* blobs.append(state.token, state.offset, Body.bytes(chunk))
    yield* blobs.commit(state.token, to, state.offset)
    return state
  })

const readAll = (from: BlobStore.BlobKey, span?: { readonly offset: number; readonly length: number }) =>
  Effect.scoped(Effect.flatMap(store, (blobs) => Effect.flatMap(blobs.read(from, span), read)))

const tagOf = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), ({ _tag }) => _tag)

/** Runs the tests that every blob store must pass. */
export const blobStoreSuite = (name: string, makeStore: () => Layer.Layer<BlobStore.BlobStore>) => {
  const test = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.provide(effect, makeStore())

  describe(`${name} as a blob store`, () => {
    it.effect("has no bytes under a key that was never used", () =>
      Effect.gen(function*() {
        const blobs = yield* store
        expect(yield* sizeOf(key)).toBeUndefined()
        expect(yield* Effect.flip(Effect.scoped(blobs.read(key)))).toEqual(new BlobStore.NotFound({ key }))
        yield* blobs.delete(key)
      }).pipe(test))

    it.effect("returns committed bytes, separate from the bytes under other keys", () =>
      Effect.gen(function*() {
        const blobs = yield* store
        yield* put(key, [hello.subarray(0, 3), hello.subarray(3)])
        yield* put(otherKey, [text("other")], "other")
        expect(yield* sizeOf(key)).toBe(12)
        expect(yield* readAll(key)).toEqual(hello)
        yield* blobs.delete(key)
        expect(yield* sizeOf(key)).toBeUndefined()
        expect(yield* tagOf(Effect.scoped(blobs.read(key)))).toBe("NotFound")
        expect(yield* readAll(otherKey)).toEqual(text("other"))
        yield* blobs.delete(key)
      }).pipe(test))

    it.effect("commits an upload without bytes", () =>
      Effect.gen(function*() {
        yield* put(key, [])
        expect(yield* sizeOf(key)).toBe(0)
        expect(yield* readAll(key)).toEqual(new Uint8Array(0))
      }).pipe(test))

    it.effect("refuses a span outside the bytes with RangeInvalid and the size", () =>
      Effect.gen(function*() {
        const blobs = yield* store
        yield* put(key, [hello])
        const expected = new BlobStore.RangeInvalid({ key, size: 12 })
        expect(yield* Effect.flip(Effect.scoped(blobs.read(key, { offset: 5, length: 8 })))).toEqual(expected)
      }).pipe(test))

    it("returns any span of any pieces", () =>
      fc.assert(
        fc.asyncProperty(
          fc.array(
            fc.oneof(
              fc.uint8Array({ maxLength: 50 }),
              fc.integer({ min: 1, max: 200_000 }).map((length) =>
                new Uint8Array(length).map((_, n) => (n + length) % 251)
              ),
              fc.integer({ min: 1, max: 70_000 }).map((length) =>
                new Uint8Array(1_000_000).fill(3).subarray(9, 9 + length)
              )
            ),
            { maxLength: 6 }
          ),
          fc.double({ min: 0, max: 1, noNaN: true }),
          fc.double({ min: 0, max: 1, noNaN: true }),
          fc.boolean(),
          (chunks, from, to, streamed) =>
            Effect.gen(function*() {
              const blobs = yield* store
              const whole = Buffer.concat(chunks)
              const same = (content: Uint8Array, expected: Uint8Array) =>
                expect(Buffer.compare(content, expected)).toBe(0)
              if (streamed) {
                const token = yield* blobs.openUpload("streamed")
                const { offset, token: next } = yield* blobs.append(token, 0, Body.stream(Stream.fromIterable(chunks)))
                yield* blobs.commit(next, key, offset)
              } else yield* put(key, chunks)
              expect(yield* sizeOf(key)).toBe(whole.byteLength)
              same(yield* readAll(key), whole)
              const offset = Math.floor(from * whole.byteLength)
              const length = Math.floor(to * (whole.byteLength - offset))
              if (length > 0) same(yield* readAll(key, { offset, length }), whole.subarray(offset, offset + length))
            }).pipe(test, Effect.runPromise)
        ),
        { numRuns: 60 }
      ))

    it.effect.each([[0], [4], [6], [1e9]] as const)(
      "refuses a chunk at %i if the offset is 5",
      ([offset]) =>
        Effect.gen(function*() {
          const blobs = yield* store
          const { token } = yield* blobs.append(yield* blobs.openUpload("upload"), 0, Body.bytes(hello.subarray(0, 5)))
          expect(yield* Effect.flip(blobs.append(token, offset, Body.bytes(hello)))).toEqual(
            new BlobStore.OffsetMismatch({ offset: 5 })
          )
          const done = yield* blobs.append(token, 5, Body.bytes(hello.subarray(5)))
          yield* blobs.commit(done.token, key, 12)
          expect(yield* readAll(key)).toEqual(hello)
        }).pipe(test)
    )

    it.effect("reports the durable offset after a chunk fails, and continues there", () =>
      Effect.gen(function*() {
        const blobs = yield* store
        const { token } = yield* blobs.append(yield* blobs.openUpload("upload"), 0, Body.bytes(hello.subarray(0, 5)))
        const body = Body.stream(
          Stream.concat(Stream.make(hello.subarray(5, 8)), Stream.fail(new Error("the line is dead")))
        )
        const error = yield* Effect.flip(blobs.append(token, 5, body))
        if (error._tag !== "BodyBroken") return expect(error._tag).toBe("BodyBroken")
        expect(error.cause._tag).toBe("BodyFailed")
        const done = yield* blobs.append(token, error.offset, Body.bytes(hello.subarray(error.offset)))
        yield* blobs.commit(done.token, key, 12)
        expect(yield* readAll(key)).toEqual(hello)
      }).pipe(test))

    it.effect("does not count an interrupted chunk", () =>
      Effect.gen(function*() {
        const blobs = yield* store
        const token = yield* blobs.openUpload("upload")
        const body = Body.stream(Stream.concat(Stream.make(hello), Stream.never))
        const fiber = yield* Effect.fork(blobs.append(token, 0, body))
        yield* Effect.yieldNow()
        yield* Fiber.interrupt(fiber)
        expect(yield* blobs.append(token, 0, Body.bytes(hello))).toMatchObject({ offset: 12 })
      }).pipe(test))

    it.effect("counts one complete chunk of many at one offset", () =>
      Effect.gen(function*() {
        const blobs = yield* store
        const token = yield* blobs.openUpload("upload")
        const chunk = (n: number) => new Uint8Array(6).fill(n)
        const append = (n: number) =>
          blobs.append(
            token,
            0,
            Body.stream(Stream.tap(Stream.make(chunk(n).subarray(0, 3), chunk(n).subarray(3)), () => Effect.yieldNow()))
          )
        const results = yield* Effect.forEach([1, 2, 3, 4], (n) => Effect.either(append(n)), {
          concurrency: "unbounded"
        })
        const won = results.findIndex(({ _tag }) => _tag === "Right")
        expect(results.filter(({ _tag }) => _tag === "Right")).toHaveLength(1)
        yield* blobs.commit(token, key, 6)
        expect(yield* readAll(key)).toEqual(chunk(won + 1))
      }).pipe(test))

    it.effect("commits once, and refuses another size", () =>
      Effect.gen(function*() {
        const blobs = yield* store
        const { token } = yield* blobs.append(yield* blobs.openUpload("upload"), 0, Body.bytes(hello))
        expect(yield* Effect.flip(blobs.commit(token, key, 11))).toEqual(new BlobStore.OffsetMismatch({ offset: 12 }))
        expect(yield* sizeOf(key)).toBeUndefined()
        yield* blobs.commit(token, key, 12)
        yield* blobs.commit(token, key, 12)
        expect(yield* readAll(key)).toEqual(hello)
        expect(yield* tagOf(blobs.append(token, 12, Body.bytes(hello)))).toBe("UploadUnknown")
      }).pipe(test))

    it.effect("refuses an aborted upload", () =>
      Effect.gen(function*() {
        const blobs = yield* store
        const { token } = yield* blobs.append(yield* blobs.openUpload("upload"), 0, Body.bytes(hello))
        yield* blobs.abort(token)
        yield* blobs.abort(token)
        expect(yield* tagOf(blobs.append(token, 12, Body.bytes(hello)))).toBe("UploadUnknown")
        expect(yield* tagOf(blobs.commit(token, key, 12))).toBe("UploadUnknown")
        expect(yield* sizeOf(key)).toBeUndefined()
      }).pipe(test))

    it.effect("aborts an upload while a chunk flows", () =>
      Effect.gen(function*() {
        const blobs = yield* store
        const token = yield* blobs.openUpload("upload")
        const body = Body.stream(Stream.tap(Stream.make(hello), () => Effect.orDie(blobs.abort(token))))
        expect(yield* tagOf(blobs.append(token, 0, body))).toBe("UploadUnknown")
      }).pipe(test))

    it.effect("lists uploads by the time of their last chunk", () =>
      Effect.gen(function*() {
        const blobs = yield* store
        const ids = (olderThan: number) =>
          Effect.map(Stream.runCollect(blobs.listUploads(olderThan)), (all) => Array.from(all, ({ id }) => id).sort())
        const first = yield* blobs.openUpload("first")
        yield* blobs.openUpload("second")
        yield* TestClock.adjust("1 minute")
        yield* blobs.append(first, 0, Body.bytes(hello))
        expect(yield* ids(60_000)).toEqual(["second"])
        expect(yield* ids(60_001)).toEqual(["first", "second"])
        yield* blobs.commit(first, key, 12)
        expect(yield* ids(Infinity)).toEqual(["second"])
      }).pipe(test))
  })
}
