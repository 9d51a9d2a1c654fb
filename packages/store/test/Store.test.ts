import { Body, Digest, Operation, Registry, RegistryError } from "@effect-oci/core"
import { BlobStore, Memory, MetadataStore, Store, StoreError } from "@effect-oci/store"
import { describe, expect, it, vi } from "@effect/vitest"
import { Duration, Effect, Layer, Stream } from "effect"
import crypto from "node:crypto"
import { absent, hello, helloDigest, list, other, pushBytes, repository, tagOf } from "./fixtures.js"
import { registrySuite } from "./suites/registry.js"

const memory = () => Layer.merge(Memory.layerBlobStore(), Memory.layerMetadataStore())

registrySuite("memory", memory)

describe("Store", () => {
  const addressed = Layer.effect(
    BlobStore.BlobStore,
    Effect.map(BlobStore.BlobStore, (store): BlobStore.Service => ({
      ...store,
      redirectUrl: (key, ttl) =>
        Effect.succeed(new URL(`https://cdn.example.com/${key}?seconds=${Duration.toSeconds(ttl)}`))
    }))
  )

  it.effect("redirects to a blob that the repository has, and to no other (T33)", () =>
    Effect.gen(function*() {
      yield* pushBytes(hello)
      const redirect = yield* Store.redirect("5 minutes")
      const { findBlob } = yield* MetadataStore.MetadataStore
      const stored = yield* findBlob(repository, helloDigest)
      expect(yield* redirect(new Operation.GetBlob({ repository, digest: helloDigest })))
        .toEqual(new URL(`https://cdn.example.com/${stored?.key}?seconds=300`))
      for (const [name, digest] of [[repository, absent], [other, helloDigest]] as const) {
        expect(yield* redirect(new Operation.GetBlob({ repository: name, digest }))).toBeUndefined()
      }
    }).pipe(Effect.provide(Store.layer().pipe(Layer.provideMerge(addressed), Layer.provideMerge(memory())))))

  it.effect("does not redirect if the blob store has no URLs", () =>
    Effect.gen(function*() {
      yield* pushBytes(hello)
      const redirect = yield* Store.redirect("5 minutes")
      expect(yield* redirect(new Operation.GetBlob({ repository, digest: helloDigest }))).toBeUndefined()
    }).pipe(Effect.provide(Store.layer().pipe(Layer.provideMerge(memory())))))

  it.effect("hashes content that is verified as it flows only once, and resumes the push if the content breaks", () =>
    Effect.gen(function*() {
      const registry = yield* Registry
      const bytes = new Uint8Array(2 * 1024 * 1024).fill(1)
      const digest = Digest.fromBytes(bytes)
      const chunks = [bytes.subarray(0, 1_000_000), bytes.subarray(1_000_000)]
      const whole = Body.stream(Stream.fromIterable(chunks), { size: bytes.byteLength })
      const hashes = vi.spyOn(crypto, "createHash")
      const { id } = yield* registry.startUpload(repository)
      yield* registry.completeUpload(repository, id, digest, { body: Body.verify(whole, { digest }) })
      expect(hashes).toHaveBeenCalledTimes(1)
      hashes.mockRestore()

      const broken = Stream.concat(Stream.make(chunks[0]!), Stream.fail(new RegistryError.TransportError({})))
      const second = yield* registry.startUpload(other)
      const body = Body.verify(Body.stream(broken, { size: bytes.byteLength }), { digest })
      yield* Effect.flip(registry.completeUpload(other, second.id, digest, { body }))
      yield* registry.appendUpload(other, second.id, Body.bytes(chunks[0]!), { offset: 0 })
      yield* registry.completeUpload(other, second.id, digest, { body: Body.bytes(chunks[1]!), offset: 1_000_000 })
      expect((yield* registry.resolveBlob(other, digest)).size).toBe(bytes.byteLength)
    }).pipe(Effect.provide(Store.layer().pipe(Layer.provideMerge(memory())))))

  it.effect("fails with Unavailable, and keeps the cause, if a store fails", () => {
    const failed = Effect.fail(new StoreError.Failed({ cause: "the disk is gone" }))
    const failing = Layer.effect(
      MetadataStore.MetadataStore,
      Effect.map(MetadataStore.MetadataStore, (store): MetadataStore.Service => ({
        ...store,
        findBlob: () => failed,
        listTags: () => failed,
        createUpload: () => failed
      }))
    )
    return Effect.gen(function*() {
      const registry = yield* Registry
      const error = yield* Effect.flip(registry.resolveBlob(repository, helloDigest))
      expect(error).toMatchObject({
        _tag: "OciUnavailable",
        operation: "ResolveBlob",
        cause: { cause: "the disk is gone" }
      })
      expect(error.message).not.toContain("disk")
      expect(RegistryError.isTransient(error)).toBe(true)
      expect(yield* tagOf(list(registry.listTags(repository)))).toBe("OciUnavailable")
      expect(yield* tagOf(registry.startUpload(repository))).toBe("OciUnavailable")
    }).pipe(Effect.provide(Store.layer().pipe(Layer.provideMerge(failing), Layer.provideMerge(memory()))))
  })
})
