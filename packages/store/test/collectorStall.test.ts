/** The collector works in small batches: a server answers while the collector runs. */
import { Digest, RepositoryName } from "@effect-oci/core"
import { BlobStore, Collector, Memory, MetadataStore } from "@effect-oci/store"
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Layer } from "effect"

const repository = RepositoryName.make("team/app")
const count = 20_000

const stores = Layer.suspend(() => Layer.merge(Memory.layerBlobStore(), Memory.layerMetadataStore()))

/** Adds blobs that nothing refers to, and that no lease keeps. */
const addDeadBlobs = Effect.gen(function*() {
  const metadata = yield* MetadataStore.MetadataStore
  yield* Effect.forEach(Array.from({ length: count }, (_, n) => n), (n) =>
    metadata.linkBlob({
      repository,
      digest: Digest.make(`sha256:${n.toString(16).padStart(64, "0")}`),
      size: n,
      key: BlobStore.BlobKey(`0195f3c2-0000-7000-8000-${n.toString(16).padStart(12, "0")}`),
      keep: Duration.zero
    }), { discard: true })
})

/**
 * Returns the longest time, in milliseconds, that the process worked without a turn of the event loop. Counts the time
 * of the processor, so that other processes do not matter.
 */
const longestStall = Effect.gen(function*() {
  yield* addDeadBlobs
  yield* Effect.sleep(0)
  const watch = watchTurns()
  const { blobs, keys } = yield* Effect.ensuring(Collector.collect({ grace: 0 }), Effect.sync(watch.stop))
  expect({ blobs, keys }).toEqual({ blobs: count, keys: count })
  return watch.longest()
})

/** Measures the time of the processor between two turns of the event loop. */
const watchTurns = () => {
  let longest = 0
  let before = process.cpuUsage()
  const turn = () => {
    const { system, user } = process.cpuUsage(before)
    before = process.cpuUsage()
    longest = Math.max(longest, (system + user) / 1000)
  }
  const turns = setInterval(turn, 0)
  return { longest: () => longest, stop: () => clearInterval(turns) }
}

/** Reviews everything in one step, however many the caller wants. */
const inOneStep = Effect.provide(Layer.effect(
  MetadataStore.MetadataStore,
  Effect.map(MetadataStore.MetadataStore, (metadata) => ({
    ...metadata,
    review: (policy: MetadataStore.ReviewPolicy) => metadata.review(policy, count)
  }))
))

/** The longest stall that is allowed, in milliseconds. */
const limit = 50

describe("the collector", () => {
  it.live("does not stall the event loop, with 20,000 dead blobs", () =>
    Effect.gen(function*() {
      expect(yield* longestStall).toBeLessThan(limit)
    }).pipe(Effect.provide(stores)), 60_000)

  it.live("stalls the event loop if it reviews all of them in one step", () =>
    Effect.gen(function*() {
      expect(yield* inOneStep(longestStall)).toBeGreaterThan(limit)
    }).pipe(Effect.provide(stores)), 60_000)
})
