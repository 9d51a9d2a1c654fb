/** Lists through several hops: each item once, in order, with a cost proportional to the length of the list. */
import { Body, Descriptor, Digest, Handler, MediaType, Registry, RepositoryName, Tag } from "@effect-oci/core"
import type { Operation } from "@effect-oci/core"
import { Link } from "@effect-oci/protocol"
import type { Wire } from "@effect-oci/protocol"
import { Quirks, RegistryServer } from "@effect-oci/server"
import { Memory } from "@effect-oci/store"
import { hop } from "@effect-oci/testing/NodeHop"
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Layer, Stream } from "effect"
import * as Fixtures from "../src/Fixtures.js"

const repository = RepositoryName.make("team/app")

/** Wraps a registry and counts the operations of one kind. */
const counted = (registry: Layer.Layer<Registry>, tag: Operation.OperationTag) => {
  let count = 0
  const layer = Layer.effect(
    Registry,
    Effect.map(Registry, ({ handle }) =>
      Registry.fromHandler((operation) => {
        if (operation._tag === tag) count++
        return handle(operation)
      }))
  ).pipe(Layer.provide(registry))
  return { layer, count: () => count }
}

/** Reads all pages of a list. Fails if the list has more pages than `most`. */
const walk = (answer: RegistryServer.Answer, path: string, key: string, most: number) =>
  Effect.gen(function*() {
    const items: Array<unknown> = []
    let target: string | undefined = path
    for (let pages = 0; target !== undefined; pages++) {
      if (pages > most) return yield* Effect.dieMessage("the list does not end")
      const response: Wire.Response = yield* answer({ method: "GET", target, headers: {}, body: undefined })
      const bytes: Uint8Array = yield* Body.toBytes(response.body ?? Body.empty, {
        limit: 8 * 1024 * 1024,
        onLimit: () => new Error("too much")
      })
      items.push(...(JSON.parse(new TextDecoder().decode(bytes)) as { [key: string]: ReadonlyArray<unknown> })[key]!)
      target = Link.next(response.headers["link"])
    }
    return items
  })

const serverOver = (registry: Layer.Layer<Registry>) =>
  Effect.map(Layer.build(registry), (context) => RegistryServer.make()(Context.get(context, Registry).handle))

const config = Fixtures.bytesOf("{}")

const image = Fixtures.document(MediaType.image, { config: Descriptor.fromBytes(config, MediaType.empty), layers: [] })

describe("a tag list of a server like docker-registry 2.8, through two hops,", () => {
  const tags = Array.from({ length: 1101 }, (_, at) => Tag.make(`v${at}`))
  const filled = Layer.effect(
    Registry,
    Effect.tap(Registry, (registry) =>
      Effect.zipRight(
        registry.pushBlob(repository, Descriptor.fromBytes(config), Body.bytes(config)),
        registry.pushManifest(repository, { ...image, tags })
      ))
  ).pipe(Layer.provide(Memory.layer()), Layer.orDie)

  it.scoped.each([1000, 100, 7])("contains all 1,101 tags, in order, in pages of %s", (n) =>
    Effect.gen(function*() {
      const { count, layer } = counted(filled, "ListTags")
      const old = hop(layer, { quirks: Quirks.like("docker-registry-2.8"), maxPageSize: 2000 })
      const answer = yield* serverOver(hop(old))
      const listed = yield* walk(answer, `/v2/team/app/tags/list?n=${n}`, "tags", 200)
      expect(listed).toEqual(tags.toSorted((a, b) => a < b ? -1 : 1))
      // The upstream registry returns the whole list in two pages.
      expect(count()).toBeLessThanOrEqual(4)
    }), 60_000)
})

describe("referrers through two hops", () => {
  it.scoped("are read once from the registry for all pages", () =>
    Effect.gen(function*() {
      const all = Array.from({ length: 5500 }, (_, at) => Descriptor.fromBytes(new TextEncoder().encode(`${at}`)))
      let read = 0
      const items = Stream.fromIterable(all).pipe(Stream.rechunk(100), Stream.tap(() => Effect.sync(() => read++)))
      const registry = Layer.effect(
        Registry,
        Effect.map(Registry, ({ handle }) =>
          Registry.fromHandler(Handler.override(handle, { ListReferrers: () => Effect.succeed(items) })))
      ).pipe(Layer.provide(Memory.layer()))
      const answer = yield* serverOver(hop(hop(registry)))
      const path = `/v2/team/app/referrers/${Digest.fromBytes(config)}`
      const listed = yield* walk(answer, path, "manifests", 10)
      expect(listed).toEqual(all)
      expect(read).toBe(5500)
    }), 60_000)
})
