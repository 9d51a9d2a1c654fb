import { describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as BlobStoreSuite from "../src/BlobStoreSuite.js"
import * as mapBlobStore from "./mapBlobStore.js"

describe("a blob store of maps", () => {
  for (const { name, run } of BlobStoreSuite.all) {
    it.effect(name, () => run({ make: Effect.succeed(mapBlobStore.layer) }))
  }
})
