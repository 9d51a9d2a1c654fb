import { Body, Descriptor, Digest, Registry } from "@effect-oci/core"
import type { RepositoryName, Source } from "@effect-oci/core"
import { BlobStore } from "@effect-oci/store"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import {
  absent,
  broken,
  failureOf,
  hello,
  helloDigest,
  list,
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

const head = hello.subarray(0, 5)

const sources: ReadonlyArray<[name: string, body: (content: Uint8Array) => Body.Body]> = [
  ["bytes in memory", Body.bytes],
  ["a stream with a declared size", (content) => pieces(content, 3, content.byteLength)],
  ["a stream without a declared size", (content) => pieces(content, 3)],
  ["a native source", (content) => Body.fromSource(nativeSource(content), { size: content.byteLength })]
]

/** A source that sends one byte at a time, each in its own turn of the event loop. */
const nativeSource = (content: Uint8Array, onCancel?: () => void): Source.Source => (sink) => {
  let next = 0
  let cancelled = false
  const flow = () => {
    if (cancelled) return
    if (next === content.byteLength) return sink.end()
    sink.data(content.subarray(next, ++next))
    queueMicrotask(flow)
  }
  queueMicrotask(flow)
  const cancel = () => {
    cancelled = true
    onCancel?.()
  }
  return { resume: () => {}, cancel }
}

const wrongSizes: ReadonlyArray<[name: string, size: number]> = [["longer", 3], ["shorter", 30], ["zero declared", 0]]

const push = (
  content: Uint8Array,
  options: { readonly digest?: Digest.Digest; readonly to?: RepositoryName.RepositoryName }
) =>
  Effect.flatMap(Registry, (registry) =>
    registry.pushBlob(
      options.to ?? repository,
      { ...Descriptor.fromBytes(content), ...(options.digest === undefined ? {} : { digest: options.digest }) },
      Body.bytes(content)
    ))

export const blobs = (makeStores: MakeStores) => {
  const test = on(makeStores)

  describe("push: a blob in one go", () => {
    it.effect.each(sources)("stores a blob from %s (rules 33, 59)", ([, body]) =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const descriptor = Descriptor.fromBytes(hello)
        expect(yield* registry.pushBlob(repository, descriptor, body(hello))).toEqual(descriptor)
        expect(yield* pullText(repository, helloDigest)).toBe("hello, world")
      }).pipe(test))

    it.effect.each([["no bytes (rule 58)", ""], ["{} (rule 58)", "{}"]] as const)(
      "stores and returns %s",
      ([, content]) =>
        Effect.gen(function*() {
          const { digest } = yield* pushBytes(text(content))
          expect(yield* pullText(repository, digest)).toBe(content)
        }).pipe(test)
    )

    it.effect.each(["sha512", "blake3"] as const)(
      "accepts a %s digest (rule 34)",
      (algorithm) =>
        Effect.gen(function*() {
          const { digest } = yield* pushBytes(hello, repository, algorithm)
          expect(Digest.algorithm(digest)).toBe(algorithm)
          expect(yield* pullText(repository, digest)).toBe("hello, world")
          expect(yield* tagOf((yield* Registry).resolveBlob(repository, helloDigest))).toBe("OciBlobUnknown")
        }).pipe(test)
    )

    it.effect("accepts the same blob again (rule 57)", () =>
      Effect.gen(function*() {
        yield* pushBytes(hello)
        expect((yield* pushBytes(hello)).digest).toBe(helloDigest)
        expect(yield* pullText(repository, helloDigest)).toBe("hello, world")
      }).pipe(test))

    it.effect.each(
      [
        ["a wrong digest (rule 34)", absent],
        [
          "an algorithm that the store cannot verify (rule 35, T28)",
          Digest.make("md5:5eb63bbbe01eeed093cb22bb8f5acdc3")
        ],
        ["a wrong digest by blake3 (rule 34)", Digest.make(`blake3:${"0".repeat(64)}`)]
      ] as const
    )("%s: fails with DigestInvalid and stores nothing", ([, digest]) =>
      Effect.gen(function*() {
        const registry = yield* Registry
        expect(yield* failureOf(push(hello, { digest })))
          .toEqual({ tag: "OciDigestInvalid", operation: "PushBlob", repository, reference: digest })
        expect(yield* tagOf(registry.resolveBlob(repository, digest))).toBe("OciBlobUnknown")
        expect(yield* tagOf(registry.resolveBlob(repository, helloDigest))).toBe("OciBlobUnknown")
        expect(yield* tagOf(list(registry.listTags(repository)))).toBe("OciNameUnknown")
      }).pipe(test))

    it.effect.each(
      sources.flatMap(([source, body]) =>
        wrongSizes.map(([name, size]) => [`${source}, ${name} (rule 33)`, body, size] as const)
      )
    )("%s: fails with SizeInvalid", ([, body, size]) =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const { digest } = Descriptor.fromBytes(hello.subarray(0, size))
        const descriptor = { ...Descriptor.fromBytes(hello), digest, size }
        expect(yield* failureOf(registry.pushBlob(repository, descriptor, body(hello))))
          .toEqual({ tag: "OciSizeInvalid", operation: "PushBlob", repository, reference: digest })
        expect(yield* tagOf(registry.resolveBlob(repository, digest))).toBe("OciBlobUnknown")
      }).pipe(test))

    it.effect("does not read an endless body beyond its declared size (T36)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const endless = Body.stream(Stream.repeatValue(new Uint8Array(1024)))
        expect(yield* tagOf(registry.pushBlob(repository, { ...Descriptor.fromBytes(hello), size: 10_000 }, endless)))
          .toBe("OciSizeInvalid")
      }).pipe(test))

    it.effect("closes a native source that sends more than its declared size (T47)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        let closed = 0
        const body = Body.fromSource(nativeSource(hello, () => closed++))
        const descriptor = Descriptor.fromBytes(hello.subarray(0, 3))
        expect(yield* tagOf(registry.pushBlob(repository, descriptor, body))).toBe("OciSizeInvalid")
        expect(closed).toBe(1)
      }).pipe(test))

    it.effect("fails with the error of the body", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const error = yield* Effect.flip(registry.pushBlob(repository, Descriptor.fromBytes(hello), broken(head)))
        expect(error).toMatchObject({
          _tag: "OciBodyFailed",
          operation: "PushBlob",
          repository,
          reference: helloDigest
        })
        expect(error.cause).toEqual(new Error("the line is dead"))
      }).pipe(test))

    it.effect("stores no bytes of a failed or interrupted push (T42)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        yield* Effect.flip(push(hello, { digest: absent }))
        const fiber = yield* Effect.fork(
          registry.pushBlob(repository, Descriptor.fromBytes(hello), Body.stream(Stream.never))
        )
        yield* Effect.yieldNow()
        yield* Fiber.interrupt(fiber)
        const blobs = yield* BlobStore.BlobStore
        expect(yield* blobs.listUploads(undefined, 10)).toEqual([])
        expect(yield* blobs.list(undefined, 10)).toEqual([])
      }).pipe(test))
  })

  describe("push: mounts", () => {
    it.effect("mounts from another repository, and keeps the blob after it is deleted there (rules 50, 55)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        yield* pushBytes(hello)
        expect(yield* registry.mountBlob(other, helloDigest, { from: repository }))
          .toEqual({ _tag: "Mounted", digest: helloDigest })
        yield* registry.deleteBlob(repository, helloDigest)
        expect(yield* tagOf(registry.resolveBlob(repository, helloDigest))).toBe("OciBlobUnknown")
        expect(yield* pullText(other, helloDigest)).toBe("hello, world")
      }).pipe(test))

    it.effect.each(
      [
        ["a blob that the source does not have (rules 51, 54)", { from: other }],
        ["a source that does not exist (rule 51)", { from: unknown }],
        ["a digest alone, if anonymousMount is false (rule 52, T33)", {}]
      ] as const
    )("%s: starts an upload session", ([, options]) =>
      Effect.gen(function*() {
        const registry = yield* Registry
        yield* pushBytes(hello)
        yield* pushBytes(text("else"), other)
        const result = yield* registry.mountBlob(unknown, helloDigest, options)
        expect(result).toMatchObject({ _tag: "UploadStarted", upload: { offset: 0 } })
        expect(yield* tagOf(registry.resolveBlob(unknown, helloDigest))).toBe("OciBlobUnknown")
        if (result._tag === "UploadStarted") {
          yield* registry.completeUpload(unknown, result.upload.id, helloDigest, { body: Body.bytes(hello) })
        }
        expect(yield* pullText(unknown, helloDigest)).toBe("hello, world")
      }).pipe(test))

    it.effect("mounts by digest alone if anonymousMount is true (rule 52)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        yield* pushBytes(hello)
        expect(yield* registry.mountBlob(other, helloDigest)).toMatchObject({ _tag: "Mounted" })
        expect(yield* registry.mountBlob(other, absent)).toMatchObject({ _tag: "UploadStarted" })
        expect(yield* pullText(other, helloDigest)).toBe("hello, world")
      }).pipe(on(makeStores, { anonymousMount: true })))

    it.effect("refuses an unsupported algorithm with DigestInvalid (rule 54)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        expect(yield* tagOf(registry.mountBlob(other, Digest.make("md5:00"), { from: repository }))).toBe(
          "OciDigestInvalid"
        )
      }).pipe(test))
  })
}
