import { Body, Caller, Registry } from "@effect-oci/core"
import type { RepositoryName } from "@effect-oci/core"
import { BlobStore } from "@effect-oci/store"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Queue, Stream, TestClock } from "effect"
import { failureOf, hello, helloDigest, on, other, pushBytes, repository, tagOf } from "../fixtures.js"
import type { MakeStores } from "../fixtures.js"

const [head, tail] = [hello.subarray(0, 5), hello.subarray(5)]

export const uploadLimits = (makeStores: MakeStores) => {
  const test = on(makeStores)

  describe("push: limits of upload sessions", () => {
    it.effect("restarts the time to live of a session with each chunk (rule 46, T42)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const { id } = yield* registry.startUpload(repository)
        for (let offset = 0; offset < 3; offset++) {
          yield* TestClock.adjust("59 minutes")
          yield* registry.appendUpload(repository, id, Body.bytes(hello.subarray(offset, offset + 1)))
        }
        yield* TestClock.adjust("60 minutes")
        expect(yield* tagOf(registry.getUpload(repository, id))).toBe("OciBlobUploadUnknown")
      }).pipe(test))

    it.effect("does not expire a session while it receives a chunk (rule 46)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const { id } = yield* registry.startUpload(repository)
        const bytes = yield* Queue.unbounded<Uint8Array>()
        const slow = Body.stream(Stream.take(Stream.fromQueue(bytes), 2))
        const fiber = yield* Effect.fork(registry.appendUpload(repository, id, slow))
        yield* bytes.offer(head)
        yield* TestClock.adjust("10 hours")
        yield* bytes.offer(tail)
        expect(yield* Fiber.join(fiber)).toEqual({ id, offset: 12 })
        yield* registry.completeUpload(repository, id, helloDigest)
      }).pipe(test))

    const begin = (to: RepositoryName.RepositoryName) =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const { id } = yield* registry.startUpload(to)
        return yield* registry.appendUpload(to, id, Body.bytes(head))
      })
    const as = (identity: Partial<Caller.Identity>) =>
      Effect.provideService(Caller.Caller, { ...Caller.anonymous, ...identity })

    it.effect("limits sessions in total and in one repository; expired sessions make room (T42)", () =>
      Effect.gen(function*() {
        const beginIn = (to: RepositoryName.RepositoryName) => Effect.either(begin(to))
        const results = yield* Effect.forEach([repository, repository, repository, other, other, other], beginIn)
        expect(results.map(({ _tag }) => _tag)).toEqual(["Right", "Right", "Left", "Right", "Left", "Left"])
        expect(yield* failureOf(begin(repository)))
          .toEqual({ tag: "OciTooManyRequests", operation: "StartUpload", repository, reference: undefined })
        yield* TestClock.setTime(3_600_000)
        expect(yield* Effect.forEach([repository, repository, repository], beginIn))
          .toMatchObject([{ _tag: "Right" }, { _tag: "Right" }, { _tag: "Left" }])
      }).pipe(on(makeStores, { maxUploads: 3, maxUploadsPerRepository: 2 })))

    it.effect.each(
      [
        ["by name", { name: "alice" }, { name: "bob" }],
        ["by network, if they are anonymous", { network: "192.0.2.1" }, { network: "192.0.2.2" }]
      ] as const
    )(
      "limits the sessions of each caller, %s, without effect on other callers (T42, T61)",
      ([, first, second]) =>
        Effect.gen(function*() {
          yield* Effect.replicateEffect(begin(repository), 2).pipe(as(first))
          expect(yield* tagOf(begin(repository).pipe(as(first)))).toBe("OciTooManyRequests")
          expect(yield* tagOf(begin(other).pipe(as(first)))).toBe("OciTooManyRequests")
          expect((yield* begin(repository).pipe(as(second))).offset).toBe(5)
        }).pipe(on(makeStores, { maxUploadsPerCaller: 2 }))
    )

    it.effect.each(
      [
        ["of the caller", { maxUploadsPerCaller: 2 }],
        ["in the repository", { maxUploadsPerRepository: 2 }],
        ["in total", { maxUploads: 2 }],
        ["of every kind", { maxUploadsPerCaller: 2, maxUploadsPerRepository: 2, maxUploads: 2 }]
      ] as const
    )(
      "ends the oldest empty session at the limit %s, and none with content (T42)",
      ([, limits]) =>
        Effect.gen(function*() {
          const registry = yield* Registry
          const full = yield* begin(repository)
          const empty = yield* registry.startUpload(repository)
          const newest = yield* registry.startUpload(repository)
          expect(yield* registry.getUpload(repository, full.id)).toEqual(full)
          expect(yield* tagOf(registry.getUpload(repository, empty.id))).toBe("OciBlobUploadUnknown")
          expect(yield* registry.getUpload(repository, newest.id)).toEqual(newest)
          yield* TestClock.adjust("15 minutes")
          const { listUploads } = yield* BlobStore.BlobStore
          expect(yield* listUploads(undefined, 10)).toHaveLength(1)
        }).pipe(on(makeStores, limits))
    )

    it.effect("keeps a session that is receiving its first chunk (T42)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const { id } = yield* registry.startUpload(repository)
        const bytes = yield* Queue.unbounded<Uint8Array>()
        const slow = Body.stream(Stream.take(Stream.fromQueue(bytes), 2))
        const chunk = yield* Effect.fork(registry.appendUpload(repository, id, slow))
        yield* bytes.offer(head)
        yield* Effect.yieldNow()
        expect(yield* tagOf(registry.startUpload(repository))).toBe("OciTooManyRequests")
        yield* bytes.offer(tail)
        expect(yield* Fiber.join(chunk)).toEqual({ id, offset: 12 })
      }).pipe(on(makeStores, { maxUploadsPerCaller: 1 })))

    it.effect("needs no session for a push in one request (T42)", () =>
      Effect.gen(function*() {
        yield* begin(repository)
        expect(yield* tagOf(begin(repository))).toBe("OciTooManyRequests")
        expect(yield* pushBytes(hello)).toMatchObject({ digest: helloDigest })
      }).pipe(on(makeStores, { maxUploads: 1 })))
  })
}
