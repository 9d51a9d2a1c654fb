import { Body, Descriptor, MediaType, Registry, RepositoryName, Tag } from "@effect-oci/core"
import { Quota } from "@effect-oci/middleware"
import { Memory, MetadataStore, Store } from "@effect-oci/store"
import { SqlBatch, SqlMetadataStore, SqlQuota } from "@effect-oci/store-sql"
import { expect } from "@effect/vitest"
import { Context, Duration, Effect, Either, Layer, Random } from "effect"

const team = RepositoryName.make("team")
const names = ["team", "team/a", "team/b", "teams"].map((name) => RepositoryName.make(name))
const sizes = [100, 200, 300, 400]
const limit = { prefix: team, bytes: 1500, manifests: 3, tags: 3, repositories: 2 }

const index = (at: number) =>
  new TextEncoder().encode(
    JSON.stringify({ schemaVersion: 2, mediaType: MediaType.index, manifests: [], annotations: { at: String(at) } })
  )

const blobOf = (size: number) => {
  const content = new Uint8Array(size).fill(size)
  return { descriptor: Descriptor.fromBytes(content), body: Body.bytes(content) }
}

/**
 * Pushes and deletes with 16 clients through several nodes, and expects that no limit is ever exceeded, that pushes
 * succeed as long as there is space, and that nothing remains reserved.
 */
export const limiting = (batches: ReadonlyArray<SqlBatch.Service>, changes: number) =>
  Effect.gen(function*() {
    const bytes = yield* Layer.build(Memory.layerBlobStore())
    const nodes = yield* Effect.forEach(batches, (batch) =>
      Effect.gen(function*() {
        const metadata = yield* Effect.provideService(SqlMetadataStore.make(), SqlBatch.SqlBatch, batch)
        const ledger = yield* Effect.provideService(SqlQuota.make, SqlBatch.SqlBatch, batch)
        const stores = Context.add(bytes, MetadataStore.MetadataStore, metadata)
        const registry = yield* Layer.build(
          Layer.fresh(Store.layer()).pipe(
            Layer.provide(Layer.succeedContext(stores)),
            Quota.wrap({ ledger, limits: [limit, { repositories: 3 }] })
          )
        )
        return { ledger, registry: Context.get(registry, Registry) }
      }))
    const [{ ledger, registry: first }] = nodes as [typeof nodes[number]]
    const pick = <A>(values: ReadonlyArray<A>) => Effect.map(Random.nextIntBetween(0, values.length), (n) => values[n]!)
    const counts = { pushed: 0, denied: 0 }
    const change = Effect.gen(function*() {
      const { registry } = yield* pick(nodes)
      const [name, from, size, at] = [
        yield* pick(names),
        yield* pick(names),
        yield* pick(sizes),
        yield* pick([0, 1, 2, 3])
      ]
      const { body, descriptor } = blobOf(size)
      const pushIndex = registry.pushManifest(name, {
        mediaType: MediaType.index,
        bytes: index(at),
        tags: [Tag.make(`v${yield* pick([0, 1, 2])}`)]
      })
      const pushBlob = registry.pushBlob(name, descriptor, body)
      const isPush = (yield* Random.nextIntBetween(0, 4)) > 0
      const result = yield* Effect.either<unknown, { readonly _tag: string }, never>(
        isPush
          ? yield* pick([pushIndex, pushBlob, registry.mountBlob(name, descriptor.digest, { from })])
          : yield* pick([
            registry.deleteBlob(name, descriptor.digest),
            registry.deleteManifest(name, Descriptor.fromBytes(index(at)).digest)
          ])
      )
      if (isPush && Either.isRight(result)) counts.pushed++
      if (Either.isLeft(result) && result.left._tag === "OciDenied") counts.denied++
      const used = yield* ledger.used(team)
      for (const what of ["bytes", "manifests", "tags", "repositories"] as const) {
        expect(used[what]).toBeLessThanOrEqual(limit[what])
      }
      expect((yield* ledger.used(undefined)).repositories).toBeLessThanOrEqual(3)
    })
    yield* Effect.forEach(Array.from({ length: changes }), () => change, { concurrency: 16, discard: true })
    expect(counts.pushed).toBeGreaterThan(10)
    expect(counts.denied).toBeGreaterThan(10)

    // All space can be used after that: no reservation has remained.
    const { bytes: used } = yield* ledger.used(team)
    const rest = yield* Effect.scoped(
      ledger.reserve({
        limit,
        amount: { bytes: limit.bytes - used, manifests: 0, tags: 0, repositories: 0 },
        lease: Duration.minutes(1)
      })
    )
    expect(rest).toBeUndefined()
    const error = yield* Effect.flip(first.pushBlob(team, blobOf(1600).descriptor, blobOf(1600).body))
    expect(error.message).toContain(
      `the quota of "team" is 1500 bytes: ${used} are used, and this push needs 1600 more`
    )
  })
