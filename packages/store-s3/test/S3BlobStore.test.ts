import * as BlobStoreSuite from "@effect-oci/conformance/BlobStoreSuite"
import * as StoreSuite from "@effect-oci/conformance/StoreSuite"
import { Memory } from "@effect-oci/store"
import { BlobStore } from "@effect-oci/store/BlobStore"
import * as S3 from "@effect-oci/testing/S3"
import { describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { smallLayer } from "./services.js"

/** Returns the same layer, whose store does not ask for chunks of a size: small chunks are stored as tails. */
const inSmallChunks = <E>(layer: Layer.Layer<BlobStore, E>) =>
  Layer.map(layer, (context) => Context.make(BlobStore, { ...Context.get(context, BlobStore), granularity: 1 }))

const same = <E>(layer: Layer.Layer<BlobStore, E>) => layer

for (const [how, change] of [["in parts", same], ["in small chunks", inSmallChunks]] as const) {
  describe(`a blob store in S3, with uploads ${how}`, () => {
    const make = Effect.sync(() => change(smallLayer(S3.make())))
    for (const { name, run } of BlobStoreSuite.all) it.effect(name, () => run({ make, durable: true }), 300_000)
  })
}

describe("a registry with blobs in S3", () => {
  const make = Effect.sync(() => Layer.merge(inSmallChunks(smallLayer(S3.make())), Memory.layerMetadataStore()))
  const time = { unit: "200 millis", pass: Effect.sleep } as const
  for (const { name, run } of StoreSuite.all) it.live(name, () => run({ make, time }), 300_000)
})
