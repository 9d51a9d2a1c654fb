import { Operation, Registry, RegistryError } from "@effect-oci/core"
import { BlobStore, Memory, MetadataStore, Store, StoreError } from "@effect-oci/store"
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Layer } from "effect"
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
