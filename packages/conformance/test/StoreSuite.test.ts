import { Memory } from "@effect-oci/store"
import { describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as StoreSuite from "../src/StoreSuite.js"
import * as mapBlobStore from "./mapBlobStore.js"

const blobStores = { "in memory": Memory.layerBlobStore(), "of maps": mapBlobStore.layer }

describe.each(Object.entries(blobStores))("a blob store %s and a metadata store in memory", (_, blobs) => {
  const make = Effect.sync(() => Layer.merge(blobs, Memory.layerMetadataStore()))
  for (const { name, run } of StoreSuite.all) it.effect(name, () => run({ make }))
})
