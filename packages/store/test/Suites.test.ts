import { BlobStoreSuite, MetadataStoreSuite, StoreSuite } from "@effect-oci/conformance"
import { Memory } from "@effect-oci/store"
import { describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"

describe("the blob store in memory", () => {
  for (const { name, run } of BlobStoreSuite.all) {
    it.effect(name, () => run({ make: Effect.sync(() => Memory.layerBlobStore()) }))
  }
})

describe("the metadata store in memory", () => {
  for (const { name, run } of MetadataStoreSuite.all) {
    it.effect(name, () => run({ make: Effect.sync(() => Memory.layerMetadataStore()) }))
  }
})

describe("both stores in memory", () => {
  const make = Effect.sync(() => Layer.merge(Memory.layerBlobStore(), Memory.layerMetadataStore()))
  for (const { name, run } of StoreSuite.all) it.effect(name, () => run({ make }))
})
