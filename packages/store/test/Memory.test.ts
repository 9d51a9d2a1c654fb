import { Answer, Body, Descriptor, Digest, MediaType, Operation, Registry } from "@effect-oci/core"
import { BlobStore, Memory } from "@effect-oci/store"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Layer, Stream } from "effect"
import {
  absent,
  hello,
  helloDigest,
  index,
  other,
  pushBytes,
  read,
  repository,
  tagOf,
  unknown,
  v1
} from "./fixtures.js"

const key = BlobStore.BlobKey("key")

/** The body under which chunks are kept. */
const kept = (chunks: ReadonlyArray<Uint8Array>) =>
  Effect.gen(function*() {
    const blobs = yield* BlobStore.BlobStore
    yield* blobs.put({ key, body: Body.stream(Stream.fromIterable(chunks)) })
    return yield* blobs.read(key)
  }).pipe(Effect.scoped, Effect.provide(Memory.layerBlobStore()))

const chunksOf = (body: Body.Body) => Effect.map(Stream.runCollect(body.stream), (chunks) => Array.from(chunks))

describe("Memory", () => {
  it.effect("creates a separate registry for each layer", () =>
    Effect.gen(function*() {
      const [a, b] = [yield* Layer.build(Memory.layer()), yield* Layer.build(Memory.layer())]
      yield* Effect.provide(pushBytes(hello), a)
      const resolve = Effect.flatMap(Registry, (registry) => registry.resolveBlob(repository, helloDigest))
      expect(yield* Effect.provide(resolve, a)).toMatchObject({ size: 12 })
      expect(yield* tagOf(Effect.provide(resolve, b))).toBe("OciBlobUnknown")
    }).pipe(Effect.scoped))

  it.scoped("make returns a registry without a layer, separate from all others", () =>
    Effect.gen(function*() {
      const [a, b] = [yield* Memory.make(), yield* Memory.make({ maxBytes: 1 })]
      yield* a.pushBlob(repository, Descriptor.fromBytes(hello), Body.bytes(hello))
      expect(yield* a.resolveBlob(repository, helloDigest)).toMatchObject({ size: 12 })
      expect(yield* tagOf(b.resolveBlob(repository, helloDigest))).toBe("OciBlobUnknown")
      expect(yield* tagOf(b.pushBlob(repository, Descriptor.fromBytes(hello), Body.bytes(hello)))).toBe("OciDenied")
    }))

  it.effect("reads again whenever the effect of a method is run again", () =>
    Effect.gen(function*() {
      const registry = yield* Registry
      const resolve = registry.resolveManifest(repository, v1)
      expect(yield* tagOf(resolve)).toBe("OciNameUnknown")
      yield* registry.pushManifest(repository, { mediaType: MediaType.index, bytes: index(), tags: [v1] })
      expect(yield* resolve).toMatchObject({ digest: Digest.fromBytes(index()) })
    }).pipe(Effect.provide(Memory.layer())))

  const reads: ReadonlyArray<
    [name: string, operation: Operation.ResolveBlob | Operation.ResolveManifest | Operation.GetManifest]
  > = [
    ["ResolveBlob", new Operation.ResolveBlob({ repository, digest: helloDigest })],
    ["ResolveBlob, absent", new Operation.ResolveBlob({ repository, digest: absent })],
    ["ResolveManifest", new Operation.ResolveManifest({ repository, reference: v1 })],
    ["ResolveManifest, absent", new Operation.ResolveManifest({ repository: unknown, reference: v1 })],
    ["GetManifest", new Operation.GetManifest({ repository, reference: v1 })],
    ["GetManifest, absent", new Operation.GetManifest({ repository, reference: absent })]
  ]
  it.effect.each(reads)(
    "answers immediately: %s",
    ([name, operation]) =>
      Effect.gen(function*() {
        const registry = yield* Registry
        yield* pushBytes(hello)
        yield* registry.pushManifest(repository, { mediaType: MediaType.index, bytes: index(), tags: [v1] })
        const exit = Answer.settled<unknown, unknown, never>(registry.handle(operation))
        expect(exit === undefined ? undefined : Exit.isSuccess(exit)).toBe(!name.endsWith("absent"))
      }).pipe(Effect.provide(Memory.layer()))
  )

  it.effect("answers immediately: GetBlob", () =>
    Effect.gen(function*() {
      const registry = yield* Registry
      yield* pushBytes(hello)
      const exit = Answer.settled(registry.handle(new Operation.GetBlob({ repository, digest: helloDigest })))
      if (exit === undefined || Exit.isFailure(exit)) return expect(exit).toMatchObject({ _tag: "Success" })
      expect(exit.value.body.bytes).toEqual(hello)
    }).pipe(Effect.provide(Memory.layer())))

  it.effect("returns the same manifest object to every caller", () =>
    Effect.gen(function*() {
      const registry = yield* Registry
      const { digest } = yield* registry.pushManifest(repository, {
        mediaType: MediaType.index,
        bytes: index(),
        tags: [v1]
      })
      expect(yield* registry.getManifest(repository, v1)).toBe(yield* registry.getManifest(repository, digest))
    }).pipe(Effect.provide(Memory.layer())))

  it.effect("limits the bytes in memory, including upload sessions and unfinished chunks (T42)", () =>
    Effect.gen(function*() {
      const registry = yield* Registry
      const push = (size: number, content: Body.Body) =>
        registry.pushBlob(repository, Descriptor.fromBytes(new Uint8Array(size)), content)
      const bytes = (size: number) => Body.bytes(new Uint8Array(size))
      yield* push(600, bytes(600))
      const error = yield* Effect.flip(push(401, bytes(401)))
      expect(error).toMatchObject({
        _tag: "OciDenied",
        status: 507,
        operation: "PushBlob",
        reason: "the store is full; delete content first"
      })
      const endless = Body.stream(Stream.repeatValue(new Uint8Array(10)))
      const { id } = yield* registry.startUpload(other)
      expect(yield* tagOf(registry.appendUpload(other, id, endless))).toBe("OciDenied")
      yield* registry.appendUpload(other, id, bytes(399))
      expect(yield* tagOf(push(2, bytes(2)))).toBe("OciDenied")
      yield* push(1, bytes(1))
      yield* registry.cancelUpload(other, id)
      yield* push(399, bytes(399))
      expect(yield* tagOf(push(2, bytes(2)))).toBe("OciDenied")
      yield* registry.deleteBlob(repository, Descriptor.fromBytes(new Uint8Array(600)).digest)
      yield* push(600, bytes(600))
    }).pipe(Effect.provide(Memory.layer({ maxBytes: 1000 }))))

  it.effect("maxBytes counts manifests, once for each repository, until they are deleted (T42)", () =>
    Effect.gen(function*() {
      const registry = yield* Registry
      const manifest = (letter: string) => index({ annotations: { letter: letter.repeat(300) } })
      const push = (letter: string, to = repository) =>
        registry.pushManifest(to, { mediaType: MediaType.index, bytes: manifest(letter), tags: [v1] })
      const { digest } = yield* push("a")
      yield* push("b")
      yield* push("a")
      const error = yield* Effect.flip(push("c"))
      expect(error).toMatchObject({
        _tag: "OciDenied",
        operation: "PushManifest",
        reason: "the store is full; delete content first"
      })
      expect(yield* registry.resolveManifest(repository, v1)).toMatchObject({ digest })
      expect(yield* tagOf(pushBytes(new Uint8Array(300)))).toBe("OciDenied")
      expect(yield* tagOf(push("a", other))).toBe("OciDenied")
      yield* registry.deleteManifest(repository, digest)
      yield* push("a", other)
      expect(yield* tagOf(pushBytes(new Uint8Array(300)))).toBe("OciDenied")
    }).pipe(Effect.provide(Memory.layer({ maxBytes: 1000 }))))

  describe("keeps chunks", () => {
    const filled = () => new Uint8Array(64 * 1024).fill(1)

    it.effect("as they are, if they are large and fill their buffers", () =>
      Effect.gen(function*() {
        const chunk = filled()
        expect((yield* kept([chunk])).bytes).toBe(chunk)
        const view = filled().subarray(100)
        expect((yield* kept([view])).bytes).toBe(view)
        const chunks = [filled(), filled(), filled()]
        const seen = yield* chunksOf(yield* kept(chunks))
        expect(seen).toHaveLength(3)
        for (const [n, chunk] of chunks.entries()) expect(seen[n]).toBe(chunk)
      }))

    it.effect("as copies, if they are a small part of their buffer", () =>
      Effect.gen(function*() {
        for (const length of [1, 100, 20_000]) {
          const { bytes } = yield* kept([new Uint8Array(1_000_000).subarray(5, 5 + length)])
          expect(bytes?.byteLength).toBe(length)
          expect(bytes?.buffer.byteLength).toBe(length)
        }
      }))

    it.effect("together, if they are small", () =>
      Effect.gen(function*() {
        const body = yield* kept(Array.from({ length: 200_000 }, (_, n) => Uint8Array.of(n)))
        const seen = yield* chunksOf(body)
        expect(seen.length).toBeLessThanOrEqual(4)
        expect(seen.reduce((sum, chunk) => sum + chunk.buffer.byteLength, 0)).toBe(200_000)
        expect((yield* read(body)).every((byte, n) => byte === n % 256)).toBe(true)
      }))
  })

  it.effect("pauses a body when its sink pauses it, and stops it when cancelled", () =>
    Effect.gen(function*() {
      const body = yield* kept(Array.from({ length: 10 }, (_, n) => new Uint8Array(65_536).fill(n)))
      const { source } = body
      if (source === undefined) return expect(source).toBeDefined()
      const settle = Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 5)))
      const seen: Array<string> = []
      const control = source({
        data: (chunk) => {
          seen.push(String(chunk[0]))
          return false
        },
        end: () => seen.push("end"),
        fail: () => seen.push("fail")
      })
      expect(seen).toEqual([])
      yield* settle
      expect(seen).toEqual(["0"])
      control.resume()
      yield* settle
      expect(seen).toEqual(["0", "1"])
      control.cancel()
      control.resume()
      yield* settle
      expect(seen).toEqual(["0", "1"])
    }))

  it.effect("lets other fibers run while a large body is read", () =>
    Effect.gen(function*() {
      const chunk = new Uint8Array(1024 * 1024)
      const body = yield* kept(Array.from({ length: 40 }, () => chunk))
      let turns = 0
      // @effect-diagnostics-next-line globalTimersInEffect:off
      const timer = setInterval(() => turns++, 0)
      let size = 0
      yield* Body.forEachChunk(body, (piece) => {
        size += piece.byteLength
      })
      clearInterval(timer)
      expect(size).toBe(40 * 1024 * 1024)
      expect(turns).toBeGreaterThan(0)
    }))
})
