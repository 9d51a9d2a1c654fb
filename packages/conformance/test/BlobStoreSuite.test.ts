import { BlobStore, StoreError } from "@effect-oci/store"
import { describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import * as BlobStoreSuite from "../src/BlobStoreSuite.js"
import * as mapBlobStore from "./mapBlobStore.js"

const granularity = 4096

/** A blob store whose uploads can only continue at multiples of 4 KiB, as those of S3 at multiples of 8 MiB. */
const coarse = Layer.map(mapBlobStore.layer, (context) => {
  const store = Context.get(context, BlobStore.BlobStore)
  return Context.make(BlobStore.BlobStore, {
    ...store,
    granularity,
    append: (append) =>
      append.offset % granularity === 0
        ? store.append(append)
        : Effect.fail(new StoreError.Failed({ cause: "the offset is not a multiple of the granularity" }))
  })
})

describe.each([["of maps", mapBlobStore.layer], ["of maps with a granularity", coarse]])(
  "a blob store %s",
  (_, layer) => {
    for (const { name, run } of BlobStoreSuite.all) it.effect(name, () => run({ make: Effect.succeed(layer) }))
  }
)
