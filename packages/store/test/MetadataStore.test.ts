import { MetadataStoreSuite } from "@effect-oci/conformance"
import { Memory } from "@effect-oci/store"
import { describe, it } from "@effect/vitest"
import { Effect } from "effect"

describe("the metadata store in memory", () => {
  for (const { name, run } of MetadataStoreSuite.all) {
    it.effect(name, () => run({ make: Effect.sync(() => Memory.layerMetadataStore()) }))
  }
})
