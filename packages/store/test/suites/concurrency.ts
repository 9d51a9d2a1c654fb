import { Body, Descriptor, Digest, MediaType, Registry, RepositoryName } from "@effect-oci/core"
import { BlobStore } from "@effect-oci/store"
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Stream } from "effect"
import {
  hello,
  helloDigest,
  index,
  on,
  other,
  pullText,
  pushBytes,
  read,
  repository,
  tagOf,
  text,
  v1
} from "../fixtures.js"
import type { MakeStores } from "../fixtures.js"

const descriptor = Descriptor.fromBytes(hello)

/** Returns the same stores with a changed blob store. */
const changed = (
  makeStores: MakeStores,
  change: (store: BlobStore.Service) => Partial<BlobStore.Service>
): MakeStores =>
() =>
  Layer.effect(
    BlobStore.BlobStore,
    Effect.map(BlobStore.BlobStore, (store) => ({ ...store, ...change(store) }))
  ).pipe(Layer.provideMerge(makeStores()))

/** Returns the number of blobs whose bytes the blob store has. */
const stored = Effect.flatMap(
  BlobStore.BlobStore,
  (blobs) => Effect.map(blobs.list(undefined, 200), (all) => all.length)
)

/** Records the keys that are read. */
const recorded = () => {
  const reads: Array<BlobStore.BlobKey> = []
  const change = (store: BlobStore.Service): Partial<BlobStore.Service> => ({
    read: (key, span) => {
      reads.push(key)
      return store.read(key, span)
    }
  })
  return { reads, change }
}

export const concurrency = (makeStores: MakeStores) => {
  const test = on(makeStores)

  describe("at once", () => {
    it.effect("stores one copy if a hundred callers push one blob to several repositories, and all succeed (rule 56)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const names = Array.from({ length: 100 }, (_, n) => RepositoryName.make(`team/r${n % 7}`))
        const body = (n: number) =>
          n % 2 === 0 ? Body.bytes(hello) : Body.stream(Stream.tap(Stream.make(hello), () => Effect.yieldNow()))
        yield* Effect.forEach(names, (name, n) => registry.pushBlob(name, descriptor, body(n)), {
          concurrency: "unbounded"
        })
        for (const name of names) expect(yield* pullText(name, helloDigest)).toBe("hello, world")
        expect(yield* stored).toBe(1)
        for (const name of new Set(names)) {
          expect(yield* stored).toBe(1)
          yield* registry.deleteBlob(name, helloDigest)
        }
        expect(yield* stored).toBe(0)
      }).pipe(test))

    it.effect("resolves a tag at every moment while the tag moves (rule 72)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const push = (n: number) =>
          registry.pushManifest(repository, { mediaType: MediaType.index, bytes: index({ n }), tags: [v1] })
        const digests = new Set([(yield* push(0)).digest, (yield* push(1)).digest])
        const move = Effect.forEach(Array.from({ length: 300 }, (_, n) => n % 2), (n) =>
          Effect.zipLeft(push(n), Effect.yieldNow()))
        const look = Effect.replicateEffect(
          Effect.zipLeft(
            Effect.map(registry.getManifest(repository, v1), (manifest) =>
              manifest.descriptor.digest),
            Effect.yieldNow()
          ),
          300
        )
        const [, ...seen] = yield* Effect.all([move, look, look, look], { concurrency: "unbounded" })
        expect(new Set(seen.flat())).toEqual(digests)
      }).pipe(test))

    it.effect("keeps a blob that is pushed again while the old one is being deleted (rule 97)", () =>
      Effect.gen(function*() {
        const removing = yield* Deferred.make<void>()
        const mayGoOn = yield* Deferred.make<void>()
        let first = true
        const change = (store: BlobStore.Service): Partial<BlobStore.Service> => ({
          delete: (keys) => {
            const wait = first
            first = false
            return wait
              ? Deferred.succeed(removing, undefined).pipe(
                Effect.zipRight(Deferred.await(mayGoOn)),
                Effect.zipRight(store.delete(keys))
              )
              : store.delete(keys)
          }
        })
        yield* Effect.gen(function*() {
          const registry = yield* Registry
          yield* pushBytes(hello)
          const deletion = yield* Effect.fork(registry.deleteBlob(repository, helloDigest))
          yield* Deferred.await(removing)
          expect(yield* tagOf(registry.resolveBlob(repository, helloDigest))).toBe("OciBlobUnknown")
          yield* pushBytes(hello)
          yield* Deferred.succeed(mayGoOn, undefined)
          yield* Fiber.join(deletion)
          expect(yield* pullText(repository, helloDigest)).toBe("hello, world")
        }).pipe(on(changed(makeStores, change)))
      }))

    it.effect("reads a blob that is deleted and pushed again between lookup and read (rule 97)", () => {
      let interfere: Effect.Effect<unknown> = Effect.void
      const change = (store: BlobStore.Service): Partial<BlobStore.Service> => ({
        read: (key, span) => {
          const once = interfere
          interfere = Effect.void
          return Effect.zipRight(once, Effect.suspend(() => store.read(key, span)))
        }
      })
      return Effect.gen(function*() {
        const registry = yield* Registry
        yield* pushBytes(hello)
        const remove = Effect.orDie(registry.deleteBlob(repository, helloDigest))
        const push = Effect.orDie(registry.pushBlob(repository, descriptor, Body.bytes(hello)))
        interfere = Effect.zipRight(remove, push)
        expect(yield* pullText(repository, helloDigest)).toBe("hello, world")
        interfere = remove
        expect(yield* tagOf(pullText(repository, helloDigest))).toBe("OciBlobUnknown")
      }).pipe(on(changed(makeStores, change)))
    })

    it.effect("continues to send a body after its blob is deleted (rule 14)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const content = new Uint8Array(300_000).fill(7)
        const body = Body.stream(Stream.repeatValue(content.subarray(0, 100_000)).pipe(Stream.take(3)))
        const blob = yield* registry.pushBlob(repository, Descriptor.fromBytes(content), body)
        const opened = yield* registry.getBlob(repository, blob.digest)
        yield* registry.deleteBlob(repository, blob.digest)
        expect(Digest.fromBytes(yield* read(opened.body))).toBe(blob.digest)
      }).pipe(Effect.scoped, test))
  })

  describe("the bytes", () => {
    const chunked = (digest: Digest.Digest, middle: Effect.Effect<unknown, never, Registry> = Effect.void) =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const { id } = yield* registry.startUpload(repository)
        yield* registry.appendUpload(repository, id, Body.bytes(hello.subarray(0, 5)))
        yield* registry.appendUpload(repository, id, Body.bytes(hello.subarray(5, 8)))
        yield* middle
        yield* registry.completeUpload(repository, id, digest, { body: Body.bytes(hello.subarray(8)) })
      })

    it.effect.each(
      [
        ["are not read again for a digest with the expected algorithm", helloDigest, 0],
        ["are read once more for a digest with another algorithm", Digest.fromBytes(hello, "sha512"), 1]
      ] as const
    )("%s", ([, digest, times]) => {
      const { change, reads } = recorded()
      return Effect.gen(function*() {
        yield* chunked(digest)
        expect(reads).toHaveLength(times)
        expect(yield* pullText(repository, digest)).toBe("hello, world")
      }).pipe(on(changed(makeStores, change)))
    })

    it.effect("are deleted if the upload does not match its digest (rule 34)", () =>
      Effect.gen(function*() {
        for (const algorithm of ["sha256", "sha512"] as const) {
          expect(yield* tagOf(chunked(Digest.fromBytes(text("else"), algorithm)))).toBe("OciDigestInvalid")
        }
        expect(yield* stored).toBe(0)
      }).pipe(test))

    it.effect("are deleted with the last repository that had them (rule 97, T33)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        yield* pushBytes(hello)
        yield* registry.mountBlob(other, helloDigest, { from: repository })
        yield* registry.mountBlob(other, helloDigest, { from: repository })
        yield* registry.deleteBlob(repository, helloDigest)
        expect(yield* stored).toBe(1)
        yield* registry.deleteBlob(other, helloDigest)
        expect(yield* stored).toBe(0)
        expect(yield* registry.mountBlob(repository, helloDigest, { from: other })).toMatchObject({
          _tag: "UploadStarted"
        })
      }).pipe(test))
  })
}
