import { Body, Caller, Digest, Registry } from "@effect-oci/core"
import { BlobStore, Memory, MetadataStore } from "@effect-oci/store"
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Layer } from "effect"
import { hello, on, pullText, repository } from "./fixtures.js"

const stores = () => Layer.merge(Memory.layerBlobStore(), Memory.layerMetadataStore())

const digest = Digest.make("blake3:a1a55887535397bf461902491c8779188a5dd1f8c3951b3d9cf6ecba194e87b0")

const limits = { perCaller: 10, perRepository: 10, total: 10 }

/** Opens a session with blake3, as another process does. */
const openedElsewhere = Effect.gen(function*() {
  const key = BlobStore.BlobKey("0195f3c2-0000-7000-8000-000000000000")
  const id = "upload"
  const { name: owner } = Caller.anonymous
  const caller = Caller.key(Caller.anonymous)
  const upload: MetadataStore.NewUpload = { id, repository, owner, caller, key, algorithm: "blake3" }
  yield* Effect.flatMap(
    MetadataStore.MetadataStore,
    (metadata) => metadata.createUpload(upload, Duration.hours(1), limits)
  )
  return id
})

describe("a session with blake3 that another process opened", () => {
  it.effect("receives chunks although this process has not loaded blake3, and completes", () =>
    Effect.gen(function*() {
      const registry = yield* Registry
      const id = yield* openedElsewhere
      expect(Digest.verifiable(digest)).toBe(undefined)
      expect(yield* registry.appendUpload(repository, id, Body.bytes(hello.subarray(0, 5)))).toMatchObject({
        offset: 5
      })
      expect(Digest.verifiable(digest)).toBe("blake3")
      const body = Body.bytes(hello.subarray(5))
      expect(yield* registry.completeUpload(repository, id, digest, { offset: 5, body })).toMatchObject({ digest })
      expect(yield* pullText(repository, digest)).toBe("hello, world")
    }).pipe(on(stores)))
})
