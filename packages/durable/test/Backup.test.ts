import { Body, Descriptor, MediaType, Registry, RepositoryName, Tag } from "@effect-oci/core"
import { Backup, Durable } from "@effect-oci/durable"
import { MetadataStore } from "@effect-oci/store"
import { expect, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "backup-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

const repository = RepositoryName.make("team/app")

/** Pushes an image whose content depends on a number, under a tag with that number. */
const push = (n: number) =>
  Effect.gen(function*() {
    const registry = yield* Registry
    const config = new TextEncoder().encode(JSON.stringify({ n }))
    const descriptor = Descriptor.fromBytes(config, MediaType.imageConfig)
    const bytes = new TextEncoder().encode(
      JSON.stringify({ schemaVersion: 2, mediaType: MediaType.image, config: descriptor, layers: [] })
    )
    yield* registry.pushBlob(repository, descriptor, Body.bytes(config))
    yield* registry.pushManifest(repository, { mediaType: MediaType.image, bytes, tags: [Tag.make(`v${n}`)] })
    return descriptor
  })

/** Returns the tags of a registry whose configs can all be read. */
const readable = Effect.gen(function*() {
  const registry = yield* Registry
  const tags = Array.from(yield* Stream.runCollect(registry.listTags(repository)))
  for (const tag of tags) {
    const { bytes } = yield* registry.getManifest(repository, tag)
    const { config } = JSON.parse(new TextDecoder().decode(bytes)) as { config: Descriptor.Descriptor }
    yield* Effect.scoped(
      Effect.flatMap(registry.getBlob(repository, config.digest), ({ stream }) => Stream.runDrain(stream))
    )
  }
  return tags
})

it.scopedLive("copies a registry that runs, and the copy is complete despite concurrent pushes and deletes", () =>
  Effect.gen(function*() {
    const path = yield* folder
    const directory = join(path, "data")
    const copies = yield* Effect.gen(function*() {
      const registry = yield* Registry
      yield* push(0)
      let n = 0
      const writer = Effect.forever(Effect.gen(function*() {
        n += 1
        yield* push(n)
        if (n % 3 === 0) yield* registry.deleteTag(repository, Tag.make(`v${n - 1}`))
        yield* Effect.yieldNow()
      }))
      const fiber = yield* Effect.fork(writer)
      const targets = [1, 2, 3].map((copy) => join(path, `copy-${copy}`))
      const summaries = yield* Effect.forEach(
        targets,
        (target) => Effect.delay(Backup.copy({ directory, target }), "100 millis")
      )
      yield* Effect.sync(() => fiber.unsafeInterruptAsFork(fiber.id()))
      return targets.map((target, index) => ({ target, summary: summaries[index]! }))
    }).pipe(Effect.provide(Durable.layer({ directory })))
    for (const { summary, target } of copies) {
      const tags = yield* Effect.provide(readable, Durable.layer({ directory: target }))
      expect(tags.length).toBeGreaterThan(0)
      expect(summary.blobs).toBeGreaterThanOrEqual(tags.length)
    }
    const files = (target: string) =>
      readdirSync(join(target, "blobs", "0")).map((name) => join(target, "blobs", "0", name))
    const [file] = files(copies[0]!.target)
    expect(statSync(file!).nlink).toBeGreaterThan(1)
  }))

it.scopedLive("refuses a target that exists, and a directory without a registry", () =>
  Effect.gen(function*() {
    const path = yield* folder
    const error = yield* Effect.flip(Backup.copy({ directory: join(path, "none"), target: path }))
    expect(error.message).toContain("it exists already; name a new directory")
    const missing = yield* Effect.flip(Backup.copy({ directory: join(path, "none"), target: join(path, "copy") }))
    expect(missing.message).toContain("none/metadata.db: the file does not exist")
    expect(readdirSync(path)).toEqual([])
  }))

it.scopedLive("reads a directory that another program has open", () =>
  Effect.gen(function*() {
    const directory = join(yield* folder, "data")
    const inspect = Effect.flatMap(MetadataStore.MetadataStore, (metadata) =>
      metadata.inspectTags(repository, undefined, 10)).pipe(
        Effect.map((tags) =>
          tags.map(({ tag }) => tag)
        ),
        Effect.provide(Durable.layerReader({ directory }))
      )
    yield* Effect.gen(function*() {
      yield* push(1)
      expect(yield* inspect).toEqual(["v1"])
      yield* push(2)
      expect(yield* inspect).toEqual(["v1", "v2"])
    }).pipe(Effect.provide(Durable.layer({ directory })))
    expect(yield* inspect).toEqual(["v1", "v2"])
  }))
