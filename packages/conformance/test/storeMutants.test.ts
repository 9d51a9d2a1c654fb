import { BlobStore, Memory, MetadataStore } from "@effect-oci/store"
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import * as BlobStoreSuite from "../src/BlobStoreSuite.js"
import * as MetadataStoreSuite from "../src/MetadataStoreSuite.js"
import type { StoreCheck } from "../src/StoreCheck.js"
import * as StoreSuite from "../src/StoreSuite.js"
import { blobMutants, metadataMutants, pairMutants } from "./storeMutants.js"
import type { Mutant } from "./storeMutants.js"

/** Tests that the check of each mutant finds its fault. */
const finds = <Id, I extends Id, Service extends object>(
  suite: ReadonlyArray<StoreCheck<Id>>,
  layer: Layer.Layer<Id>,
  tag: Context.Tag<I, Service>,
  mutants: ReadonlyArray<Mutant<Service>>
) =>
  it.effect.each([...mutants])("finds that %s", ([, name, change]) => {
    const mutant = Layer.map(layer, (context) => {
      const store = Context.get(context, tag)
      return Context.add(context, tag, { ...store, ...change(store) })
    })
    const checks = suite.filter((check) => check.name.startsWith(name))
    return Effect.gen(function*() {
      expect(checks).toHaveLength(1)
      for (const { run } of checks) {
        const violation = yield* Effect.flip(Effect.sandbox(run({ make: Effect.succeed(mutant) })))
        expect(String(violation)).toContain("expected")
      }
    })
  }, 60_000)

const pair = Layer.merge(Memory.layerBlobStore(), Memory.layerMetadataStore())

describe("BlobStoreSuite", () => finds(BlobStoreSuite.all, Memory.layerBlobStore(), BlobStore.BlobStore, blobMutants))

describe("MetadataStoreSuite", () =>
  finds(MetadataStoreSuite.all, Memory.layerMetadataStore(), MetadataStore.MetadataStore, metadataMutants))

describe("StoreSuite", () => {
  finds(StoreSuite.all, pair, BlobStore.BlobStore, pairMutants.blobs)
  finds(StoreSuite.all, pair, MetadataStore.MetadataStore, pairMutants.metadata)
})
