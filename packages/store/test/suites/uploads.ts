import { Body, Caller, Digest, Registry, RegistryError } from "@effect-oci/core"
import type { RepositoryName } from "@effect-oci/core"
import { BlobStore } from "@effect-oci/store"
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Queue, Stream, TestClock } from "effect"
import {
  absent,
  broken,
  failureOf,
  hello,
  helloDigest,
  on,
  other,
  pieces,
  pullText,
  pushBytes,
  repository,
  tagOf,
  text,
  unknown
} from "../fixtures.js"
import type { MakeStores } from "../fixtures.js"

/** Records the calls that store bytes. */
const recorded = (calls: Array<string>, stores: ReturnType<MakeStores>): ReturnType<MakeStores> =>
  Layer.map(stores, (context) => {
    const blobs = Context.get(context, BlobStore.BlobStore)
    const record = <Input, Output>(name: string, call: (input: Input) => Output) => (input: Input): Output => {
      calls.push(name)
      return call(input)
    }
    return Context.add(context, BlobStore.BlobStore, {
      ...blobs,
      put: record("put", blobs.put),
      openUpload: record("openUpload", blobs.openUpload),
      append: record("append", blobs.append),
      commit: record("commit", blobs.commit)
    })
  })

const [head, tail] = [hello.subarray(0, 5), hello.subarray(5)]

export const uploads = (makeStores: MakeStores) => {
  const test = on(makeStores)

  describe("push: a blob in chunks", () => {
    it.effect.each(Digest.algorithms)(
      "uploads in chunks with %s (rules 29, 39, 40, 44, 45)",
      (algorithm) =>
        Effect.gen(function*() {
          const registry = yield* Registry
          yield* Digest.load(algorithm)
          const digest = Digest.fromBytes(hello, algorithm)
          const { id, ...started } = yield* registry.startUpload(repository, { algorithm })
          expect(started).toEqual({ offset: 0 })
          expect(id).toMatch(/^[0-9a-f-]{36}$/)
          expect(yield* registry.appendUpload(repository, id, Body.bytes(head), { offset: 0 })).toEqual({
            id,
            offset: 5
          })
          expect(yield* registry.getUpload(repository, id)).toEqual({ id, offset: 5 })
          expect(yield* registry.completeUpload(repository, id, digest, { offset: 5, body: Body.bytes(tail) }))
            .toEqual({ mediaType: "application/octet-stream", digest, size: 12 })
          expect(yield* pullText(repository, digest)).toBe("hello, world")
        }).pipe(test)
    )

    const orders: ReadonlyArray<[name: string, chunks: ReadonlyArray<Uint8Array>, last: Uint8Array | undefined]> = [
      ["all bytes in the last chunk (rule 33)", [], hello],
      ["all bytes in one chunk, none in the last (rule 42)", [hello], undefined],
      ["several chunks, no last chunk (rule 44)", [head, tail], undefined],
      ["several chunks, an empty last chunk (rule 44)", [head, tail], new Uint8Array(0)],
      ["an empty chunk (rule 39)", [head, new Uint8Array(0)], tail]
    ]
    const digests = [
      ["as the hash kept", helloDigest],
      ["another than the hash kept", Digest.fromBytes(hello, "sha512")]
    ] as const
    it.effect.each(
      orders.flatMap(([name, chunks, last]) =>
        digests.map(([kind, digest]) => [`${name}; the digest ${kind}`, chunks, last, digest] as const)
      )
    )("completes an upload: %s", ([, chunks, last, digest]) =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const { id } = yield* registry.startUpload(repository)
        yield* Effect.forEach(chunks, (chunk) => registry.appendUpload(repository, id, Body.bytes(chunk)))
        yield* registry.completeUpload(repository, id, digest, last === undefined ? {} : { body: Body.bytes(last) })
        expect(yield* pullText(repository, digest)).toBe("hello, world")
      }).pipe(test))

    it.effect.each(
      orders.flatMap(([name, chunks, last]) =>
        ([["sha256", absent], ["sha512", Digest.fromBytes(text("else"), "sha512")]] as const)
          .map(([algorithm, digest]) => [`${name}, ${algorithm}`, chunks, last, digest] as const)
      )
    )("refuses a wrong digest (rule 34): %s", ([, chunks, last, digest]) =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const { id } = yield* registry.startUpload(repository)
        yield* Effect.forEach(chunks, (chunk) => registry.appendUpload(repository, id, Body.bytes(chunk)))
        const complete = registry.completeUpload(
          repository,
          id,
          digest,
          last === undefined ? {} : { body: Body.bytes(last) }
        )
        expect(yield* failureOf(complete))
          .toEqual({ tag: "OciDigestInvalid", operation: "CompleteUpload", repository, reference: digest })
        expect(yield* tagOf(registry.resolveBlob(repository, digest))).toBe("OciBlobUnknown")
        expect(yield* tagOf(registry.resolveBlob(repository, helloDigest))).toBe("OciBlobUnknown")
        expect(yield* tagOf(registry.getUpload(repository, id))).toBe("OciBlobUploadUnknown")
      }).pipe(test))

    it.effect("refuses an unsupported algorithm with DigestInvalid, and keeps the session (rules 35, 38)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        expect(yield* tagOf(registry.startUpload(repository, { algorithm: "md5" }))).toBe("OciDigestInvalid")
        const { id } = yield* registry.startUpload(repository)
        const complete = registry.completeUpload(repository, id, Digest.make("md5:00"), { body: Body.bytes(hello) })
        expect(yield* tagOf(complete)).toBe("OciDigestInvalid")
        expect(yield* registry.getUpload(repository, id)).toEqual({ id, offset: 0 })
      }).pipe(test))

    it.effect.each(
      [
        ["before the offset (rule 41)", 0],
        ["after the offset (rule 41)", 6],
        ["far beyond the offset (rule 41)", Number.MAX_SAFE_INTEGER]
      ] as const
    )("%s: fails with RangeInvalid and changes nothing", ([, offset]) =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const { id } = yield* registry.startUpload(repository)
        yield* registry.appendUpload(repository, id, Body.bytes(head))
        const expected = { _tag: "OciRangeInvalid", size: 5, repository }
        expect(yield* Effect.flip(registry.appendUpload(repository, id, Body.bytes(tail), { offset })))
          .toMatchObject({ ...expected, operation: "AppendUpload" })
        expect(
          yield* Effect.flip(registry.completeUpload(repository, id, helloDigest, { offset, body: Body.bytes(tail) }))
        )
          .toMatchObject({ ...expected, operation: "CompleteUpload" })
        expect(yield* registry.getUpload(repository, id)).toEqual({ id, offset: 5 })
        yield* registry.completeUpload(repository, id, helloDigest, { offset: 5, body: Body.bytes(tail) })
        expect(yield* pullText(repository, helloDigest)).toBe("hello, world")
      }).pipe(test))

    it.effect.each(
      [
        ["longer than declared (rule 43)", pieces(tail, 3, 4), "OciSizeInvalid"],
        ["shorter than declared (rule 43)", pieces(tail, 3, 40), "OciSizeInvalid"],
        ["broken", broken(tail.subarray(0, 3)), "OciBodyFailed"]
      ] as const
    )("does not change the offset if a chunk is %s", ([, body, tag]) =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const { id } = yield* registry.startUpload(repository)
        yield* registry.appendUpload(repository, id, Body.bytes(head))
        expect(yield* failureOf(registry.appendUpload(repository, id, body)))
          .toEqual({ tag, operation: "AppendUpload", repository, reference: undefined })
        expect(yield* tagOf(registry.completeUpload(repository, id, helloDigest, { body }))).toBe(tag)
        const { offset } = yield* registry.getUpload(repository, id)
        yield* registry.appendUpload(repository, id, Body.bytes(hello.subarray(offset)))
        yield* registry.completeUpload(repository, id, helloDigest)
        expect(yield* pullText(repository, helloDigest)).toBe("hello, world")
      }).pipe(test))

    it.effect.each(
      [
        ["breaks", broken(hello.subarray(0, 7), 12), "OciBodyFailed"],
        ["is shorter than declared", pieces(hello, 7, 40), "OciSizeInvalid"]
      ] as const
    )("continues an upload whose only request %s", ([, body, tag]) =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const { id } = yield* registry.startUpload(repository)
        expect(yield* tagOf(registry.completeUpload(repository, id, helloDigest, { body }))).toBe(tag)
        expect(yield* tagOf(registry.resolveBlob(repository, helloDigest))).toBe("OciBlobUnknown")
        const { offset } = yield* registry.getUpload(repository, id)
        yield* registry.completeUpload(repository, id, helloDigest, { body: Body.bytes(hello.subarray(offset)) })
        expect(yield* pullText(repository, helloDigest)).toBe("hello, world")
      }).pipe(test))

    it.effect("stores a small upload of one request with one call of the blob store", () => {
      const calls: Array<string> = []
      return Effect.gen(function*() {
        const registry = yield* Registry
        const { id } = yield* registry.startUpload(repository)
        yield* registry.completeUpload(repository, id, helloDigest, { body: Body.bytes(hello) })
        expect(calls).toEqual(["put"])
        expect(yield* tagOf(registry.getUpload(repository, id))).toBe("OciBlobUploadUnknown")
        expect(yield* pullText(repository, helloDigest)).toBe("hello, world")
      }).pipe(on(() => recorded(calls, makeStores())))
    })

    it.effect("counts one of two requests at once that each complete a session alone, and mixes no bytes (rule 49)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const [a, b] = [text("aaaa"), text("bbbb")]
        const { id } = yield* registry.startUpload(repository)
        const complete = (content: Uint8Array) =>
          Effect.either(
            registry.completeUpload(repository, id, Digest.fromBytes(content), { body: pieces(content, 1, 4) })
          )
        const results = yield* Effect.all([complete(a), complete(b)], { concurrency: "unbounded" })
        const [done, ...others] = results.flatMap((result) => result._tag === "Right" ? [result.right.digest] : [])
        expect(others).toEqual([])
        if (done === undefined) throw new Error("no request completed the upload")
        expect(yield* pullText(repository, done)).toBe(done === Digest.fromBytes(a) ? "aaaa" : "bbbb")
        expect(yield* tagOf(registry.getUpload(repository, id))).toBe("OciBlobUploadUnknown")
      }).pipe(test))

    it.effect("counts the newer of two chunks at one offset, and mixes no bytes (rule 49)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const [a, b] = [text("aaaa"), text("bbbb")]
        const { id } = yield* registry.startUpload(repository)
        const bytes = yield* Queue.unbounded<Uint8Array>()
        const slow = Body.stream(Stream.take(Stream.fromQueue(bytes), 2))
        const first = yield* Effect.fork(Effect.either(registry.appendUpload(repository, id, slow, { offset: 0 })))
        yield* bytes.offer(a.subarray(0, 2))
        yield* Effect.yieldNow()
        const second = yield* Effect.fork(
          Effect.either(registry.appendUpload(repository, id, Body.bytes(b), { offset: 0 }))
        )
        yield* Effect.yieldNow()
        yield* bytes.offer(a.subarray(2))
        const results = [yield* Fiber.join(first), yield* Fiber.join(second)]
        expect(results).toMatchObject([
          {
            _tag: "Left",
            left: {
              _tag: "OciRangeInvalid",
              reason: "another request continues the upload session; get its offset, and continue there"
            }
          },
          { _tag: "Right" }
        ])
        const { digest } = yield* registry.completeUpload(repository, id, Digest.fromBytes(b), { offset: 4 })
        expect(yield* pullText(repository, digest)).toBe("bbbb")
      }).pipe(test))

    it.effect("lets several concurrent callers complete an upload session as one blob (rule 49)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const { id } = yield* registry.startUpload(repository)
        yield* registry.appendUpload(repository, id, Body.bytes(hello))
        const complete = Effect.either(registry.completeUpload(repository, id, helloDigest))
        const results = yield* Effect.all([complete, complete], { concurrency: "unbounded" })
        const failures = results.flatMap((result) => result._tag === "Left" ? [result.left] : [])
        expect(failures.length).toBeLessThan(2)
        for (const failure of failures) expect(failure).toBeInstanceOf(RegistryError.RangeInvalid)
        expect(yield* pullText(repository, helloDigest)).toBe("hello, world")
      }).pipe(test))

    type Ask = (
      to: RepositoryName.RepositoryName,
      id: string
    ) => Effect.Effect<unknown, RegistryError.RegistryError, Registry>
    const get: Ask = (to, id) => Effect.flatMap(Registry, (registry) => registry.getUpload(to, id))
    const operations: ReadonlyArray<[operation: string, ask: Ask]> = [
      ["GetUpload", get],
      [
        "AppendUpload",
        (to, id) => Effect.flatMap(Registry, (registry) => registry.appendUpload(to, id, Body.bytes(tail)))
      ],
      [
        "CompleteUpload",
        (to, id) =>
          Effect.flatMap(
            Registry,
            (registry) => registry.completeUpload(to, id, helloDigest, { body: Body.bytes(tail) })
          )
      ],
      ["CancelUpload", (to, id) => Effect.flatMap(Registry, (registry) => registry.cancelUpload(to, id))]
    ]

    it.effect.each(operations)(
      "refuses %s of an unknown upload session (rules 36, 45, 46)",
      ([operation, ask]) =>
        Effect.gen(function*() {
          const { tag, ...error } = yield* failureOf(ask(repository, "b1f2e5a6-0000-4000-8000-000000000000"))
          expect(tag).toBe("OciBlobUploadUnknown")
          if (operation !== "CompleteUpload") expect(error).toEqual({ operation, repository, reference: undefined })
        }).pipe(test)
    )

    it.effect.each(operations)(
      "refuses %s through another repository (rule 47, T43)",
      ([, ask]) =>
        Effect.gen(function*() {
          const registry = yield* Registry
          const { id } = yield* registry.startUpload(repository)
          yield* registry.appendUpload(repository, id, Body.bytes(head))
          yield* pushBytes(text("else"), other)
          for (const to of [other, unknown]) expect(yield* tagOf(ask(to, id))).toBe("OciBlobUploadUnknown")
          expect(yield* registry.getUpload(repository, id)).toEqual({ id, offset: 5 })
        }).pipe(test)
    )

    it.effect.each(operations)("refuses %s by another caller (T43)", ([, ask]) =>
      Effect.gen(function*() {
        const as = (name: string | undefined) => Effect.provideService(Caller.Caller, { name, claims: {} })
        const { id } = yield* Effect.flatMap(Registry, (registry) => registry.startUpload(repository)).pipe(as("alice"))
        for (const name of ["bob", undefined]) {
          expect(yield* tagOf(ask(repository, id).pipe(as(name)))).toBe("OciBlobUploadUnknown")
        }
        expect(yield* get(repository, id).pipe(as("alice"))).toEqual({ id, offset: 0 })
      }).pipe(test))

    it.effect.each(operations)(
      "refuses %s after the session was completed or cancelled, or expired (rules 46, 48)",
      ([operation, ask]) =>
        Effect.gen(function*() {
          const registry = yield* Registry
          const complete = yield* registry.startUpload(repository)
          yield* registry.completeUpload(repository, complete.id, helloDigest, { body: Body.bytes(hello) })
          const cancelled = yield* registry.startUpload(repository)
          expect((yield* registry.cancelUpload(repository, cancelled.id))._tag).toBe("Done")
          const expired = yield* registry.startUpload(repository)
          yield* TestClock.adjust("1 hour")
          for (const { id } of operation === "CompleteUpload" ? [cancelled, expired] : [complete, cancelled, expired]) {
            expect(yield* tagOf(ask(repository, id))).toBe("OciBlobUploadUnknown")
          }
          expect(yield* pullText(repository, helloDigest)).toBe("hello, world")
        }).pipe(test)
    )

    it.effect("completes a session again with the same digest, and with no other (rule 48)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const { digest: otherDigest } = yield* pushBytes(text("else"))
        const { id } = yield* registry.startUpload(repository)
        yield* registry.appendUpload(repository, id, Body.bytes(head))
        yield* registry.completeUpload(repository, id, helloDigest, { offset: 5, body: Body.bytes(tail) })
        const body = Body.bytes(tail)
        const again = yield* registry.completeUpload(repository, id, helloDigest, { offset: 5, body })
        expect(again).toEqual({ mediaType: "application/octet-stream", digest: helloDigest, size: 12 })
        yield* registry.completeUpload(repository, id, helloDigest)
        expect(yield* tagOf(registry.completeUpload(repository, id, otherDigest))).toBe("OciBlobUploadUnknown")
        yield* registry.deleteBlob(repository, helloDigest)
        expect(yield* tagOf(registry.completeUpload(repository, id, helloDigest))).toBe("OciBlobUploadUnknown")
      }).pipe(test))
  })
}
