import { Body, Descriptor, Digest, MediaType, Registry, RepositoryName, Tag } from "@effect-oci/core"
import { Durable } from "@effect-oci/durable"
import { describe, expect, it } from "@effect/vitest"
import { Config, ConfigProvider, Effect, Exit, Layer, Option, Scope, Stream } from "effect"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"

const repository = RepositoryName.make("team/app")
const v1 = Tag.make("v1")
const content = new TextEncoder().encode("hello, world")
const digest = Digest.fromBytes(content)

const directory = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "effect-oci-durable-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)

const pushImage = Effect.gen(function*() {
  const registry = yield* Registry
  const config = yield* registry.pushBlob(repository, Descriptor.fromBytes(content), Body.bytes(content))
  const manifest = { schemaVersion: 2, mediaType: MediaType.image, config, layers: [] }
  return yield* registry.pushManifest(repository, {
    mediaType: MediaType.image,
    bytes: new TextEncoder().encode(JSON.stringify(manifest)),
    tags: [v1]
  })
})

describe("Durable", () => {
  it.scopedLive("has the same content after it was closed and opened again", () =>
    Effect.gen(function*() {
      const path = yield* directory
      const pushed = yield* Effect.provide(pushImage, Durable.layer({ directory: path }))
      yield* Effect.gen(function*() {
        const registry = yield* Registry
        const manifest = yield* registry.getManifest(repository, v1)
        expect(manifest.descriptor.digest).toBe(pushed.digest)
        const blob = yield* registry.getBlob(repository, digest)
        const bytes = yield* Body.toBytes(blob.body, { limit: 1000, onLimit: () => new Error("too long") as never })
        expect(new TextDecoder().decode(bytes)).toBe("hello, world")
        expect(Array.from(yield* Stream.runCollect(registry.listRepositories()))).toEqual([repository])
      }).pipe(Effect.scoped, Effect.provide(Durable.layer({ directory: path })))
    }))

  it.scopedLive("layerConfig reads the directory from the configuration", () =>
    Effect.gen(function*() {
      const path = yield* directory
      const pushed = yield* Effect.provide(pushImage, Durable.layer({ directory: path }))
      const { size } = yield* Effect.flatMap(Registry, (registry) => registry.resolveManifest(repository, v1)).pipe(
        Effect.provide(Durable.layerConfig({ directory: Config.string("DIRECTORY") })),
        Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["DIRECTORY", path]])))
      )
      expect(size).toBe(pushed.size)
    }))

  it.scopedLive("fails to open a directory that is open", () =>
    Effect.gen(function*() {
      const path = yield* directory
      const scope = yield* Scope.make()
      yield* Layer.buildWithScope(Durable.layer({ directory: path }), scope)
      const second = yield* Effect.flip(Effect.scoped(Layer.build(Durable.layer({ directory: path }))))
      expect(second.message).toMatch(
        /^cannot open the folder .*: another process uses it; stop the other process first, or use another folder$/
      )
      yield* Scope.close(scope, Exit.void)
      yield* Effect.scoped(Layer.build(Durable.layer({ directory: path })))
    }))

  it.scopedLive("deletes a blob that no manifest refers to, after its grace", () =>
    Effect.gen(function*() {
      const path = yield* directory
      const options: Durable.Options = { directory: path, grace: "50 millis", uploadTimeToLive: "200 millis" }
      yield* Effect.gen(function*() {
        const registry = yield* Registry
        yield* registry.pushBlob(repository, Descriptor.fromBytes(content), Body.bytes(content))
        // A resolve renews the lease of the blob, so that there must be more than the grace between two of them.
        const found = Effect.delay(Effect.option(registry.resolveBlob(repository, digest)), "300 millis")
        expect(Option.isNone(yield* Effect.repeat(found, { until: Option.isNone }))).toBe(true)
      }).pipe(Effect.provide(Durable.layer(options)))
    }))
})
