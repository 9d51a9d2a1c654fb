import { BlobStoreSuite } from "@effect-oci/conformance"
import { Memory } from "@effect-oci/store"
import { describe, it } from "@effect/vitest"
import { Effect } from "effect"

describe("the blob store in memory", () => {
  for (const { name, run } of BlobStoreSuite.all) {
    it.effect(name, () => run({ make: Effect.sync(() => Memory.layerBlobStore()) }))
  }
})
