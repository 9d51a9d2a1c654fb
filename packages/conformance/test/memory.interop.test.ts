/** The client streams blobs with little memory. */
import { Client } from "@effect-oci/client"
import { Body, Descriptor, Digest, Registry, RepositoryName } from "@effect-oci/core"
import * as NodePeers from "@effect-oci/testing/NodePeers"
import { NodeContext, NodeHttpClient } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import { randomFillSync } from "node:crypto"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

const MiB = 1024 * 1024

const repository = RepositoryName.make("large")

/** A piece that is repeated, so that the test itself allocates no memory. */
const piece = randomFillSync(new Uint8Array(64 * 1024))

/** The number of bytes between two measurements. */
const stride = 8 * MiB

/** Pushes and pulls a blob of `size` MiB. Calls `step` after each stride sent or received. */
const transfer = (size: number, step: () => void) =>
  Effect.scoped(Effect.gen(function*() {
    const registry = yield* Registry
    const hasher = Digest.hasher("sha256")
    for (let i = 0; i < size * 16; i++) hasher.update(piece)
    const descriptor = { mediaType: Descriptor.octetStream, digest: hasher.digest(), size: size * MiB }
    let moved = 0
    const move = (chunk: Uint8Array) => {
      const before = Math.floor(moved / stride)
      moved += chunk.byteLength
      if (Math.floor(moved / stride) > before) step()
    }
    const content = Stream.forever(Stream.succeed(piece)).pipe(
      Stream.take(size * 16),
      Stream.rechunk(1),
      Stream.tap((chunk) => Effect.sync(() => move(chunk)))
    )
    yield* registry.pushBlob(repository, descriptor, Body.stream(content, { size: descriptor.size }))
    const pulled = yield* registry.getBlob(repository, descriptor.digest)
    yield* Body.forEachChunk(pulled.body, move)
    expect(moved).toBe(2 * descriptor.size)
  }))

/** Collects garbage, so that only reachable memory is measured. */
const collect = (() => {
  setFlagsFromString("--expose-gc")
  return runInNewContext("gc") as () => void
})()

/** Returns the size of the reachable memory, in bytes. */
const usedMemory = () => {
  collect()
  const { arrayBuffers, heapUsed } = process.memoryUsage()
  return arrayBuffers + heapUsed
}

describe.runIf(NodePeers.have("docker-registry"))("memory", () => {
  it.scopedLive("grows by less than a quarter of the size of a blob that is pushed and pulled", () =>
    Effect.gen(function*() {
      const { authority } = yield* NodePeers.dockerRegistry
      const client = Client.layer({ host: authority, insecure: true })
      const samples: Array<number> = []
      yield* Effect.gen(function*() {
        yield* transfer(8, usedMemory)
        const before = usedMemory()
        yield* transfer(64, () => samples.push(usedMemory() - before))
      }).pipe(Effect.provide(Layer.provide(client, NodeHttpClient.layerUndici)))
      expect(samples).toHaveLength(16)
      expect(Math.max(...samples)).toBeLessThan(16 * MiB)
    }).pipe(Effect.provide(NodeContext.layer)))
})
