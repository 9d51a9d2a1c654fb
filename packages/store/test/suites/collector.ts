import { Descriptor, MediaType, Registry, Tag } from "@effect-oci/core"
import { BlobStore, Collector, MetadataStore } from "@effect-oci/store"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, TestClock } from "effect"
import {
  emptyConfig,
  hello,
  helloDigest,
  index,
  on,
  pullText,
  pushBytes,
  pushImage,
  repository,
  tagOf,
  text,
  v1,
  v2
} from "../fixtures.js"
import type { MakeStores } from "../fixtures.js"

/** Returns the number of keys that have bytes. */
const stored = Effect.flatMap(
  BlobStore.BlobStore,
  (blobs) => Effect.map(blobs.list(undefined, 1000), (all) => all.length)
)

const layer = { mediaType: MediaType.layer, digest: helloDigest, size: hello.byteLength }

const day = 24 * 60

/** Tests what the collector removes and keeps. */
export const collector = (makeStores: MakeStores) => {
  const test = on(makeStores, { uploadTimeToLive: "4 hours" })

  describe("the collector", () => {
    it.effect("removes a blob that no manifest refers to, a day after its push", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        yield* pushBytes(hello)
        yield* TestClock.adjust("23 hours")
        expect(yield* pullText(repository, helloDigest)).toBe("hello, world")
        yield* TestClock.adjust("2 hours")
        expect(yield* tagOf(registry.resolveBlob(repository, helloDigest))).toBe("OciBlobUnknown")
        expect(yield* stored).toBe(0)
      }).pipe(test))

    it.effect("keeps a blob that a client resolved, so that the client can push a manifest", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        yield* pushBytes(hello)
        yield* TestClock.adjust(`${day - 60} minutes`)
        yield* registry.resolveBlob(repository, helloDigest)
        yield* TestClock.adjust(`${day - 60} minutes`)
        yield* pushImage({ layers: [layer] })
        yield* TestClock.adjust("4 days")
        expect(yield* pullText(repository, helloDigest)).toBe("hello, world")
      }).pipe(test))

    it.effect("does not keep a blob for its readers", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        yield* pushBytes(hello)
        yield* TestClock.adjust(`${day - 60} minutes`)
        yield* pullText(repository, helloDigest)
        yield* TestClock.adjust("2 hours")
        expect(yield* tagOf(registry.resolveBlob(repository, helloDigest))).toBe("OciBlobUnknown")
      }).pipe(test))

    it.effect("removes the blobs of a deleted manifest after the grace, and keeps those of other manifests", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        yield* pushBytes(hello)
        const { digest } = yield* pushImage({ layers: [layer] })
        yield* pushImage({ annotations: {} })
        yield* TestClock.adjust("4 days")
        yield* registry.deleteManifest(repository, digest)
        yield* TestClock.adjust("23 hours")
        expect(yield* stored).toBe(2)
        yield* TestClock.adjust("2 hours")
        expect(yield* stored).toBe(1)
        expect(yield* pullText(repository, emptyConfig.digest)).toBe("{}")
      }).pipe(test))

    it.effect("keeps manifests without a tag by default", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const { digest } = yield* pushImage({}, { tags: [v1] })
        yield* registry.deleteTag(repository, v1)
        yield* TestClock.adjust("4 days")
        expect(yield* registry.resolveManifest(repository, digest)).toMatchObject({ digest })
      }).pipe(test))

    it.effect("removes manifests without a tag, their children, their referrers and their blobs if told to", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const image = yield* pushImage()
        const child = { mediaType: MediaType.image, digest: image.digest, size: 1 }
        const bytes = index({ manifests: [child] })
        const parent = yield* registry.pushManifest(repository, { mediaType: MediaType.index, bytes, tags: [v1, v2] })
        const subject = Descriptor.fromBytes(bytes, MediaType.index)
        const signature = yield* pushImage({ subject })
        const all = [image.digest, parent.digest, signature.digest]
        yield* TestClock.adjust("4 days")
        yield* registry.deleteTag(repository, v1)
        yield* TestClock.adjust("4 days")
        for (const digest of all) expect(yield* registry.resolveManifest(repository, digest)).toMatchObject({ digest })
        yield* registry.pushManifest(repository, { mediaType: MediaType.index, bytes: index(), tags: [v2] })
        yield* TestClock.adjust("4 days")
        for (const digest of all) {
          expect(yield* tagOf(registry.resolveManifest(repository, digest))).toBe("OciManifestUnknown")
        }
        expect(yield* stored).toBe(0)
      }).pipe(on(makeStores, { untagged: "delete", uploadTimeToLive: "20 hours" })))

    it.effect("keeps the bytes of a deleted blob for reads that have begun", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        yield* pushBytes(hello)
        yield* registry.deleteBlob(repository, helloDigest)
        expect(yield* stored).toBe(1)
        yield* TestClock.adjust("30 minutes")
        expect(yield* stored).toBe(1)
        yield* TestClock.adjust("30 minutes")
        expect(yield* stored).toBe(0)
      }).pipe(on(makeStores, { readable: "50 minutes" })))

    it.effect("reports what it removed, and its progress", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const blobs = yield* BlobStore.BlobStore
        for (let n = 0; n < 150; n++) yield* pushBytes(text(`blob ${n}`))
        const { digest } = yield* pushImage({}, { tags: [v1] })
        const key = (n: number) => BlobStore.BlobKey(`00000000-0000-7000-8000-00000000000${n}`)
        yield* blobs.openUpload({ id: "abandoned", key: key(1) })
        yield* blobs.put({ key: key(2), body: (yield* registry.getBlob(repository, emptyConfig.digest)).body })
        yield* TestClock.setTime(48 * 3_600_000)
        yield* registry.deleteTag(repository, v1)
        yield* TestClock.setTime(96 * 3_600_000)
        const { expireUploads } = yield* MetadataStore.MetadataStore
        yield* expireUploads(1)
        const reports: Array<Collector.Report> = []
        const report = yield* Collector.collect({
          untagged: "delete",
          onProgress: (progress) => Effect.sync(() => reports.push(progress))
        })
        expect(report).toEqual({ manifests: 1, blobs: 150, keys: 150, unknownUploads: 1, unknownKeys: 1 })
        expect(reports.length).toBeGreaterThan(4)
        expect(reports.at(-1)).toEqual(report)
        expect(yield* tagOf(registry.resolveManifest(repository, digest))).toBe("OciManifestUnknown")
        yield* TestClock.setTime(144 * 3_600_000)
        expect(yield* Collector.collect()).toMatchObject({ blobs: 1, keys: 1 })
        expect(yield* stored).toBe(0)
      }).pipe(Effect.scoped, on(makeStores, { uploadTimeToLive: "1000 days" })))

    it.effect("leaves bytes without metadata that a push may still need, and keys that it does not understand", () =>
      Effect.gen(function*() {
        const blobs = yield* BlobStore.BlobStore
        const foreign = BlobStore.BlobKey("0-foreign")
        const old = BlobStore.BlobKey("00000000-0000-7000-8000-000000000001")
        const young = BlobStore.BlobKey("00000036-ee81-7000-8000-000000000001")
        for (const key of [foreign, old, young]) yield* blobs.openUpload({ id: key, key })
        yield* TestClock.adjust("61 minutes")
        expect(yield* Collector.collect({ grace: 0 })).toMatchObject({ unknownUploads: 1 })
        expect((yield* blobs.listUploads(undefined, 10)).map(({ key }) => key)).toEqual([foreign, young])
      }).pipe(Effect.provide(Layer.suspend(makeStores))))

    it.effect("runs in a layer, again and again", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        yield* registry.deleteTag(repository, (yield* pushImage({}, { tags: [Tag.make("v3")] })).tags[0]!)
        yield* Effect.gen(function*() {
          yield* TestClock.adjust("3 hours")
          expect(yield* stored).toBe(0)
        }).pipe(Effect.provide(Collector.layer({ grace: "1 hour", untagged: "delete", every: "10 minutes" })))
      }).pipe(on(makeStores, { grace: "1 hour" })))
  })
}
