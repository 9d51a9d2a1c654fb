import * as BlobStoreSuite from "@effect-oci/conformance/BlobStoreSuite"
import { NodeBlobStore } from "@effect-oci/store-files"
import { describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { temporary } from "./stores.js"

for (const sync of ["chunk", "commit", "never"] as const) {
  const make = Effect.map(temporary, (directory) => NodeBlobStore.layer({ directory, sync }))
  describe(`a blob store in a directory, synced: ${sync}`, () => {
    for (const { name, run } of BlobStoreSuite.all) it.effect(name, () => run({ make, durable: true }))
  })
}
