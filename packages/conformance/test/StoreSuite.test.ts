import { Memory } from "@effect-oci/store"
import { describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as StoreSuite from "../src/StoreSuite.js"
import * as mapBlobStore from "./mapBlobStore.js"

const make = Effect.sync(() => Layer.merge(mapBlobStore.layer, Memory.layerMetadataStore()))

describe("a registry over a blob store of maps and a metadata store in memory", () => {
  for (const { name, run } of StoreSuite.all) it.effect(name, () => run({ make }), 60_000)
})
