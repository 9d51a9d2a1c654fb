import { Memory } from "@effect-oci/store"
import { describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as BlobStoreSuite from "../src/BlobStoreSuite.js"
import * as mapBlobStore from "./mapBlobStore.js"

const stores = { "in memory": Memory.layerBlobStore(), "of maps": mapBlobStore.layer }

describe.each(Object.entries(stores))("a blob store %s", (_, layer) => {
  for (const { name, run } of BlobStoreSuite.all) it.effect(name, () => run({ make: Effect.succeed(layer) }))
})
