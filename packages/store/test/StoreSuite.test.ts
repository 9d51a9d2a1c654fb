import { StoreSuite } from "@effect-oci/conformance"
import { Memory } from "@effect-oci/store"
import { describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"

const make = Effect.sync(() => Layer.merge(Memory.layerBlobStore(), Memory.layerMetadataStore()))

describe("a registry over the two stores in memory", () => {
  for (const { name, run } of StoreSuite.all) it.effect(name, () => run({ make }), 60_000)
})
