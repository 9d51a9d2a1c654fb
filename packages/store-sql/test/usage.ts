import { Body, Descriptor, MediaType, Registry, RepositoryName, Tag } from "@effect-oci/core"
import type { RegistryError } from "@effect-oci/core"
import { Memory, MetadataStore, Store } from "@effect-oci/store"
import { SqlBatch, SqlMetadataStore, SqlUsage } from "@effect-oci/store-sql"
import { expect } from "@effect/vitest"
import { Context, Effect, Either, Layer, Random, Stream } from "effect"

const names = ["team", "team/a", "team/a/b", "teams", "team-b"].map((name) => RepositoryName.make(name))
const tags = ["v1", "v2"].map((tag) => Tag.make(tag))
const blobs = [0, 10, 500].map((size) => new Uint8Array(size).fill(size))
const indexes = ["a", "bb", "ccc"].map((name) =>
  new TextEncoder().encode(
    JSON.stringify({ schemaVersion: 2, mediaType: MediaType.index, manifests: [], annotations: { name } })
  )
)

/** Changes repositories through several nodes at once, and expects that the counters equal the content. */
export const counting = (batches: ReadonlyArray<SqlBatch.Service>, changes: number) =>
  Effect.gen(function*() {
    const bytes = yield* Layer.build(Memory.layerBlobStore())
    const nodes = yield* Effect.forEach(batches, (batch) =>
      Effect.gen(function*() {
        const metadata = yield* Effect.provideService(SqlMetadataStore.make(), SqlBatch.SqlBatch, batch)
        const stores = Context.add(bytes, MetadataStore.MetadataStore, metadata)
        const registry = yield* Layer.build(
          Layer.fresh(Store.layer({ deleteReferenced: true })).pipe(
            Layer.provide(Layer.succeedContext(stores))
          )
        )
        return { metadata, registry: Context.get(registry, Registry) }
      }))
    const pick = <A>(values: ReadonlyArray<A>) => Effect.map(Random.nextIntBetween(0, values.length), (n) => values[n]!)
    const change = Effect.gen(function*() {
      const { registry } = yield* pick(nodes)
      const [name, from, tag] = [yield* pick(names), yield* pick(names), yield* pick(tags)]
      const [blob, index] = [yield* pick(blobs), yield* pick(indexes)]
      const push = registry.pushManifest(name, { mediaType: MediaType.index, bytes: index, tags: [tag] })
      const change = yield* pick<Effect.Effect<unknown, RegistryError.RegistryError>>([
        registry.pushBlob(name, Descriptor.fromBytes(blob), Body.bytes(blob)),
        registry.mountBlob(name, Descriptor.fromBytes(blob).digest, { from }),
        registry.deleteBlob(name, Descriptor.fromBytes(blob).digest),
        push,
        push,
        registry.deleteTag(name, tag),
        registry.deleteManifest(name, Descriptor.fromBytes(index).digest)
      ])
      yield* Effect.either(change)
    })
    yield* Effect.forEach(Array.from({ length: changes }), () => change, { concurrency: 6, discard: true })

    const [{ metadata, registry }] = nodes as [typeof nodes[number]]
    const actual = (name: RepositoryName.RepositoryName) =>
      Effect.gen(function*() {
        const found = yield* Effect.forEach(blobs, (blob) => metadata.findBlob(name, Descriptor.fromBytes(blob).digest))
        const manifests = yield* Effect.orElseSucceed(metadata.inspectManifests(name, undefined, 100), () => [])
        const listed = yield* Effect.either(Stream.runCollect(registry.listTags(name)))
        const sizes = [...found, ...manifests].map((stored) => stored?.descriptor.size ?? 0)
        return {
          bytes: sizes.reduce((sum, size) => sum + size, 0),
          manifests: manifests.length,
          tags: Either.isRight(listed) ? listed.right.length : 0
        }
      })
    const amounts = yield* Effect.forEach(names, actual)
    for (const batch of batches) {
      const usage = yield* Effect.provideService(SqlUsage.make, SqlBatch.SqlBatch, batch)
      expect(yield* Effect.forEach(names, usage.ofRepository)).toEqual(amounts)
      const sum = (key: "bytes" | "manifests" | "tags") =>
        amounts.slice(0, 3).reduce((total, amount) => total + amount[key], 0)
      expect(yield* usage.ofPrefix(names[0]!))
        .toEqual({ bytes: sum("bytes"), manifests: sum("manifests"), tags: sum("tags") })
    }
    expect(amounts.some(({ bytes }) => bytes > 0)).toBe(true)
  })
