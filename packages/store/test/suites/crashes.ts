import { Body, Registry, RegistryError } from "@effect-oci/core"
import { BlobStore, MetadataStore, Store, StoreError } from "@effect-oci/store"
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Layer, TestClock } from "effect"
import { hello, helloDigest, on, pullText, pushBytes, repository, sizeOf, tagOf } from "../fixtures.js"
import type { MakeStores } from "../fixtures.js"

const [head, tail] = [hello.subarray(0, 5), hello.subarray(5)]

/** Starts a registry over existing stores, as after a restart. */
const restarted = <A, E, R>(effect: Effect.Effect<A, E, R>, options?: Store.Options) =>
  Effect.provide(effect, Store.layer(options))

/** Returns the number of uploads that the blob store has. */
const openUploads = Effect.flatMap(
  BlobStore.BlobStore,
  (blobs) => Effect.map(blobs.listUploads(undefined, 2000), (all) => all.length)
)

/** Returns the garbage that may be deleted, and that no collector has claimed. */
const garbage = Effect.flatMap(
  MetadataStore.MetadataStore,
  (metadata) => metadata.claimGarbage(10, Duration.seconds(1))
)

/** Tests the states in which a crash or another server can leave the two stores. */
export const crashes = (makeStores: MakeStores) => {
  const test = on(makeStores)

  describe("after a crash", () => {
    it.effect("discards bytes that were stored but not counted (rule 41)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const blobs = yield* BlobStore.BlobStore
        const { id } = yield* registry.startUpload(repository)
        const { key } = yield* Effect.flatMap(MetadataStore.MetadataStore, (metadata) => metadata.getUpload(id))
        const token = yield* blobs.openUpload({ id, key })
        yield* blobs.append({ token, fence: 1, offset: 0, body: Body.bytes(tail) })
        expect(yield* registry.getUpload(repository, id)).toEqual({ id, offset: 0 })
        expect(yield* registry.appendUpload(repository, id, Body.bytes(head), { offset: 0 })).toEqual({ id, offset: 5 })
        expect(yield* registry.getUpload(repository, id)).toEqual({ id, offset: 5 })
        yield* registry.completeUpload(repository, id, helloDigest, { offset: 5, body: Body.bytes(tail) })
        expect(yield* pullText(repository, helloDigest)).toBe("hello, world")
      }).pipe(test))

    it.effect("continues an upload session on another server (rule 45, T43)", () =>
      Effect.gen(function*() {
        const { id } = yield* restarted(Effect.gen(function*() {
          const registry = yield* Registry
          const upload = yield* registry.startUpload(repository)
          return yield* registry.appendUpload(repository, upload.id, Body.bytes(head))
        }))
        yield* restarted(Effect.gen(function*() {
          const registry = yield* Registry
          expect(yield* registry.getUpload(repository, id)).toEqual({ id, offset: 5 })
          yield* registry.completeUpload(repository, id, helloDigest, { body: Body.bytes(tail) })
          expect(yield* pullText(repository, helloDigest)).toBe("hello, world")
        }))
      }).pipe(Effect.provide(Layer.suspend(makeStores))))

    it.effect("completes an upload whose bytes were stored but not linked (rule 44)", () => {
      let broken = true
      const failing: MakeStores = () =>
        Layer.effect(
          MetadataStore.MetadataStore,
          Effect.map(MetadataStore.MetadataStore, (store): MetadataStore.Service => ({
            ...store,
            linkBlob: (link) =>
              Effect.suspend(() =>
                broken ? Effect.fail(new StoreError.Failed({ cause: "crash" })) : store.linkBlob(link)
              )
          }))
        ).pipe(Layer.provideMerge(makeStores()))
      return Effect.gen(function*() {
        const registry = yield* Registry
        const { id } = yield* registry.startUpload(repository)
        yield* registry.appendUpload(repository, id, Body.bytes(hello))
        const complete = registry.completeUpload(repository, id, helloDigest, { body: Body.empty })
        expect(yield* tagOf(complete)).toBe("OciUnavailable")
        expect(yield* registry.getUpload(repository, id)).toEqual({ id, offset: 12 })
        broken = false
        yield* complete
        expect(yield* pullText(repository, helloDigest)).toBe("hello, world")
      }).pipe(on(failing))
    })

    it.effect("removes an abandoned session and its bytes when it expires (rule 46, T42)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const { id } = yield* registry.startUpload(repository)
        yield* registry.appendUpload(repository, id, Body.bytes(head))
        expect(yield* openUploads).toBe(1)
        yield* TestClock.adjust("1 hour")
        expect(yield* openUploads).toBe(0)
        expect(yield* garbage).toEqual([])
        const { getUpload } = yield* MetadataStore.MetadataStore
        expect((yield* Effect.flip(getUpload(id)))._tag).toBe("OciStoreUploadUnknown")
      }).pipe(test))

    it.effect("sweeps a thousand expired sessions at once (T42)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const open = Effect.tap(registry.startUpload(repository), ({ id }) =>
          registry.appendUpload(repository, id, Body.bytes(head)))
        yield* Effect.replicateEffect(open, 1000)
        expect(yield* tagOf(registry.startUpload(repository))).toBe("OciTooManyRequests")
        yield* TestClock.adjust("1 hour")
        expect(yield* openUploads).toBe(0)
        yield* registry.startUpload(repository)
      }).pipe(on(makeStores, { maxUploadsPerCaller: 1000 })))

    it.effect("ends expired sessions after a restart, and aborts uploads without metadata (T42)", () =>
      Effect.gen(function*() {
        const blobs = yield* BlobStore.BlobStore
        yield* blobs.openUpload({ id: "stray", key: BlobStore.BlobKey("00000000-0000-7000-8000-000000000001") })
        const begin = Effect.flatMap(Registry, (registry) =>
          Effect.flatMap(
            registry.startUpload(repository),
            ({ id }) => registry.appendUpload(repository, id, Body.bytes(head))
          ))
        const { id } = yield* restarted(begin)
        yield* TestClock.adjust("30 minutes")
        const kept = yield* restarted(begin)
        yield* TestClock.adjust("31 minutes")
        yield* restarted(
          Effect.gen(function*() {
            const registry = yield* Registry
            yield* TestClock.adjust(0)
            expect(yield* tagOf(registry.getUpload(repository, id))).toBe("OciBlobUploadUnknown")
            expect(yield* registry.getUpload(repository, kept.id)).toEqual(kept)
            expect(yield* openUploads).toBe(1)
          }),
          { grace: 0 }
        )
      }).pipe(Effect.provide(Layer.suspend(makeStores))))

    it.effect("deletes bytes in the next sweep if their delete failed (rule 97)", () => {
      let broken = true
      const failing: MakeStores = () =>
        Layer.effect(
          BlobStore.BlobStore,
          Effect.map(BlobStore.BlobStore, (store): BlobStore.Service => ({
            ...store,
            delete: (keys) =>
              Effect.suspend(() => broken ? Effect.fail(new StoreError.Failed({ cause: "disk" })) : store.delete(keys))
          }))
        ).pipe(Layer.provideMerge(makeStores()))
      return Effect.gen(function*() {
        const registry = yield* Registry
        yield* pushBytes(hello)
        const { findBlob } = yield* MetadataStore.MetadataStore
        const stored = yield* findBlob(repository, helloDigest)
        if (stored === undefined) return yield* Effect.dieMessage("no blob")
        expect((yield* registry.deleteBlob(repository, helloDigest))._tag).toBe("Done")
        expect(yield* sizeOf(stored.key)).toBe(12)
        yield* TestClock.adjust("15 minutes")
        expect(yield* sizeOf(stored.key)).toBe(12)
        broken = false
        yield* TestClock.adjust("15 minutes")
        expect(yield* sizeOf(stored.key)).toBeUndefined()
        yield* TestClock.adjust("10 minutes")
        expect(yield* garbage).toEqual([])
      }).pipe(on(failing))
    })

    it.effect("distinguishes lost bytes from an unknown blob", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        yield* pushBytes(hello)
        const { findBlob } = yield* MetadataStore.MetadataStore
        const stored = yield* findBlob(repository, helloDigest)
        if (stored === undefined) return yield* Effect.dieMessage("no blob")
        yield* Effect.flatMap(BlobStore.BlobStore, (blobs) => blobs.delete([stored.key]))
        const error = yield* Effect.flip(Effect.scoped(registry.getBlob(repository, helloDigest)))
        expect(error).toMatchObject({
          _tag: "OciUnavailable",
          operation: "GetBlob",
          repository,
          reference: helloDigest
        })
        expect(RegistryError.isTransient(error)).toBe(true)
      }).pipe(test))
  })
}
