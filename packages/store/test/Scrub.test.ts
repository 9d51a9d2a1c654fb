import { Body, Digest, MediaType, Registry, RepositoryName } from "@effect-oci/core"
import { BlobStore, Memory, MetadataStore, Scrub, Store, StoreError } from "@effect-oci/store"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Stream, TestClock } from "effect"
import { hello, helloDigest, index, pullText, pushBytes, repository, tagOf, text, v1 } from "./fixtures.js"

const stores = () => Layer.merge(Memory.layerBlobStore(), Memory.layerMetadataStore())

const test = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.provide(effect, Layer.provideMerge(Store.layer({ uploadTimeToLive: "1000 days" }), Layer.suspend(stores)))

const findings = (options?: Scrub.Options) =>
  Effect.map(Stream.runCollect(Scrub.findings(options)), (all) => Array.from(all))

const stored = Effect.gen(function*() {
  yield* pushBytes(hello)
  const blob = yield* Effect.flatMap(
    MetadataStore.MetadataStore,
    (metadata) => metadata.findBlob(repository, helloDigest)
  )
  return blob ?? (yield* Effect.dieMessage("no blob"))
})

const withBlobs = (change: (store: BlobStore.Service) => Partial<BlobStore.Service>) =>
  Effect.provide(Layer.effect(
    BlobStore.BlobStore,
    Effect.map(BlobStore.BlobStore, (store) => ({ ...store, ...change(store) }))
  ))

describe("Scrub", () => {
  it.effect("finds nothing in a sound store, and reports its progress", () =>
    Effect.gen(function*() {
      for (let n = 0; n < 120; n++) yield* pushBytes(text(`blob ${n}`))
      yield* pushBytes(hello, repository, "sha512")
      const registry = yield* Registry
      yield* registry.pushManifest(repository, { mediaType: MediaType.index, bytes: index(), tags: [v1] })
      yield* TestClock.adjust("2 hours")
      let last: Scrub.Progress | undefined
      const onProgress = (progress: Scrub.Progress) => Effect.sync(() => void (last = progress))
      expect(yield* findings({ onProgress })).toEqual([])
      expect(last).toEqual({ manifests: 1, blobs: 121, bytes: 10 * 6 + 90 * 7 + 20 * 8 + 10 + 2, keys: 121 })
    }).pipe(test))

  it.effect("reports corrupt, truncated and missing blobs", () =>
    Effect.gen(function*() {
      const blob = yield* stored
      const { key } = blob
      yield* pushBytes(text("sound"))
      const reading = (read: BlobStore.Service["read"]) =>
        findings().pipe(withBlobs((store) => ({ read: (at, span) => at === key ? read(at) : store.read(at, span) })))
      expect(yield* reading(() => Effect.succeed(Body.bytes(text("hello, World")))))
        .toEqual([new Scrub.CorruptBlob({ blob, actual: Digest.fromBytes(text("hello, World")) })])
      expect(yield* reading(() => Effect.fail(new StoreError.Truncated({ key, size: 5 }))))
        .toEqual([new Scrub.CorruptBlob({ blob, actual: undefined })])
      expect(yield* reading(() => Effect.fail(new StoreError.NotFound({ key }))))
        .toEqual([new Scrub.MissingBlob({ blob })])
      expect(yield* Effect.flip(reading(() => Effect.fail(new StoreError.Failed({ cause: "disk" })))))
        .toMatchObject({ _tag: "OciStoreFailed" })
    }).pipe(test))

  it.effect("reports no blob that is deleted meanwhile", () =>
    Effect.gen(function*() {
      yield* stored
      const registry = yield* Registry
      const deleting = withBlobs((store) => ({
        read: (key) =>
          Effect.zipRight(
            Effect.orDie(registry.deleteBlob(repository, helloDigest)),
            Effect.suspend(() => store.read(key))
          )
      }))
      expect(yield* findings().pipe(deleting)).toEqual([])
    }).pipe(test))

  it.effect("reports corrupt manifests", () =>
    Effect.gen(function*() {
      const registry = yield* Registry
      const { digest } = yield* registry.pushManifest(repository, { mediaType: MediaType.index, bytes: index() })
      const changed = Effect.provide(Layer.effect(
        MetadataStore.MetadataStore,
        Effect.map(MetadataStore.MetadataStore, (store): MetadataStore.Service => ({
          ...store,
          inspectManifest: () => Effect.succeed(text("{}"))
        }))
      ))
      expect(yield* findings().pipe(changed))
        .toEqual([new Scrub.CorruptManifest({ repository, digest, actual: Digest.fromBytes(text("{}")) })])
    }).pipe(test))

  it.effect("reports old bytes without metadata", () =>
    Effect.gen(function*() {
      const blobs = yield* BlobStore.BlobStore
      const [old, young] = ["00000000-0000-7000-8000-000000000001", "00000036-ee81-7000-8000-000000000001"]
        .map((key) => BlobStore.BlobKey(key))
      for (const key of [old!, young!]) yield* blobs.put({ key, body: Body.bytes(hello) })
      yield* TestClock.adjust("90 minutes")
      expect(yield* findings()).toEqual([new Scrub.UnknownBytes({ key: old!, size: 12 })])
    }).pipe(test))

  it.effect("reads no faster than its limit", () =>
    Effect.gen(function*() {
      for (let n = 0; n < 5; n++) yield* pushBytes(new Uint8Array(1000).fill(n))
      const fiber = yield* Effect.fork(findings({ bytesPerSecond: 1000 }))
      yield* TestClock.adjust("4900 millis")
      expect(yield* Fiber.poll(fiber)).toMatchObject({ _tag: "None" })
      yield* TestClock.adjust("200 millis")
      expect(yield* Fiber.join(fiber)).toEqual([])
    }).pipe(test))

  it.effect("a discarded blob is not found until it is pushed again, and is then whole in all repositories", () =>
    Effect.gen(function*() {
      const registry = yield* Registry
      const other = RepositoryName.make("team/other")
      const { descriptor } = yield* stored
      yield* pushBytes(hello, other)
      const image = text(JSON.stringify({
        schemaVersion: 2,
        mediaType: MediaType.image,
        config: descriptor,
        layers: []
      }))
      const child = yield* registry.pushManifest(repository, { mediaType: MediaType.image, bytes: image })
      yield* registry.pushManifest(repository, {
        mediaType: MediaType.index,
        bytes: index({ manifests: [child] }),
        tags: [v1]
      })
      yield* registry.pushManifest(other, { mediaType: MediaType.image, bytes: image })
      yield* registry.pushManifest(other, { mediaType: MediaType.index, bytes: index(), tags: [v1] })
      const { key } = yield* stored
      const found = yield* findings().pipe(
        withBlobs((store) => ({
          read: (at, span) => at === key ? Effect.succeed(Body.bytes(text("hello, World"))) : store.read(at, span)
        }))
      )
      yield* Effect.forEach(found, (finding) => Scrub.discard(finding))
      expect(Array.from(yield* Stream.runCollect(Scrub.damaged(found)))).toEqual([
        { repository, reference: v1 },
        { repository: other, reference: child.digest }
      ])
      for (const name of [repository, other]) {
        expect(yield* tagOf(registry.resolveBlob(name, helloDigest))).toBe("OciBlobUnknown")
      }
      yield* pushBytes(hello, other)
      for (const name of [repository, other]) {
        expect((yield* registry.resolveBlob(name, helloDigest)).size).toBe(12)
        expect(yield* pullText(name, helloDigest)).toBe("hello, world")
      }
      expect(yield* findings()).toEqual([])
    }).pipe(test))

  it.effect("discards nothing for findings that are not of a blob, and finds no images without damage", () =>
    Effect.gen(function*() {
      const { key } = yield* stored
      const unknown = new Scrub.UnknownBytes({ key, size: 1 })
      yield* Scrub.discard(unknown)
      expect(yield* findings()).toEqual([])
      expect(Array.from(yield* Stream.runCollect(Scrub.damaged([unknown])))).toEqual([])
    }).pipe(test))
})
