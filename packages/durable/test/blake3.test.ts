import { Body, Descriptor, Digest, MediaType, Registry, RepositoryName, Tag } from "@effect-oci/core"
import { Durable } from "@effect-oci/durable"
import * as NodeHop from "@effect-oci/testing/NodeHop"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"

const repository = RepositoryName.make("team/app")
const v1 = Tag.make("v1")
const content = new Uint8Array(300_000).map((_, index) => index % 251)

const directory = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "effect-oci-durable-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)

const open = (path: string) => NodeHop.hop(Layer.orDie(Durable.layer({ directory: path })))

describe("blake3 through a client, a server and a durable registry", () => {
  it.scopedLive("pushes and pulls an image whose upload continues after a restart", () =>
    Effect.gen(function*() {
      const path = yield* directory
      yield* Digest.load("blake3")
      const layer = Descriptor.fromBytes(content, MediaType.layer, "blake3")
      const part = Descriptor.fromBytes(content.subarray(0, 10), MediaType.layer, "blake3")
      const config = Descriptor.fromBytes(new TextEncoder().encode("{}"), MediaType.imageConfig, "blake3")
      const bytes = new TextEncoder().encode(
        JSON.stringify({ schemaVersion: 2, mediaType: MediaType.image, config, layers: [layer, part] })
      )
      const { digest } = Descriptor.fromBytes(bytes, MediaType.image, "blake3")

      const begun = yield* Effect.gen(function*() {
        const registry = yield* Registry
        const { id } = yield* registry.startUpload(repository, { algorithm: "blake3" })
        return yield* registry.appendUpload(repository, id, Body.bytes(content.subarray(0, 100_000)), { offset: 0 })
      }).pipe(Effect.provide(Durable.layer({ directory: path })))
      expect(begun.offset).toBe(100_000)
      yield* Effect.gen(function*() {
        const registry = yield* Registry
        const body = Body.bytes(content.subarray(100_000))
        yield* registry.completeUpload(repository, begun.id, layer.digest, { offset: 100_000, body })
      }).pipe(Effect.provide(Durable.layer({ directory: path })))

      yield* Effect.gen(function*() {
        const registry = yield* Registry
        const { id } = yield* registry.startUpload(repository, { algorithm: "blake3" })
        yield* registry.appendUpload(repository, id, Body.bytes(content.subarray(0, 10)), { offset: 0 })
        yield* registry.completeUpload(repository, id, part.digest, { offset: 10 })
        yield* registry.pushBlob(repository, config, Body.bytes(new TextEncoder().encode("{}")))
        const wrong = registry.pushBlob(repository, { ...config, digest }, Body.stream(Body.bytes(bytes).stream))
        expect((yield* Effect.flip(wrong))._tag).toMatch(/Invalid/)
        yield* registry.pushManifest(repository, { mediaType: MediaType.image, bytes, digest, tags: [v1] })
      }).pipe(Effect.provide(open(path)))

      yield* Effect.gen(function*() {
        const registry = yield* Registry
        for (const reference of [v1, digest]) {
          const manifest = yield* registry.getManifest(repository, reference)
          expect(manifest.descriptor.digest).toBe(digest)
          expect(Buffer.compare(manifest.bytes, bytes)).toBe(0)
        }
        const { body } = yield* registry.getBlob(repository, layer.digest)
        const read = yield* Body.toBytes(body, { limit: 1e6, onLimit: () => new Error("too long") as never })
        expect(Buffer.compare(read, content)).toBe(0)
      }).pipe(Effect.scoped, Effect.provide(open(path)))
    }))
})
