import { Memory } from "@effect-oci/store"
import { describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as MetadataStoreSuite from "../src/MetadataStoreSuite.js"

describe("a metadata store in memory", () => {
  for (const { name, run } of MetadataStoreSuite.all) {
    it.effect(name, () => run({ make: Effect.succeed(Memory.layerMetadataStore()) }))
  }
})
