import { MediaType, ReferenceSet, Registry, Tag } from "@effect-oci/core"
import type { RepositoryName } from "@effect-oci/core"
import { Memory, MetadataStore, Retention, Store } from "@effect-oci/store"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Stream, TestClock } from "effect"
import { index, list, other, repository, v1 } from "./fixtures.js"

const stores = () => Layer.merge(Memory.layerBlobStore(), Memory.layerMetadataStore())

const test = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.provide(effect, Layer.provideMerge(Store.layer({ uploadTimeToLive: "1000 days" }), Layer.suspend(stores)))

const push = (to: RepositoryName.RepositoryName, tag: string, n: number) =>
  Effect.flatMap(
    Registry,
    (registry) => registry.pushManifest(to, { mediaType: MediaType.index, bytes: index({ n }), tags: [Tag.make(tag)] })
  )

/** Pushes the tags b1, b2, … in a repository, one each day, and then one tag in another repository. */
const pushed = (count: number) =>
  Effect.gen(function*() {
    for (let n = 1; n <= count; n++) {
      yield* push(repository, `b${n}`, n)
      yield* TestClock.adjust("1 day")
    }
    yield* push(other, "only", 0)
  })

const names = (stream: Stream.Stream<Retention.Expired, unknown, MetadataStore.MetadataStore>) =>
  Effect.map(Stream.runCollect(stream), (all) => Array.from(all, ({ repository, tag }) => `${repository}:${tag}`))

describe("Retention", () => {
  it.effect.each(
    [
      ["no rule", {}, []],
      ["the newest two", { newest: 2 }, ["team/app:b1", "team/app:b2", "team/app:b3"]],
      ["the newest none", { newest: 0 }, [1, 2, 3, 4, 5].map((n) => `team/app:b${n}`).concat("team/other:only")],
      ["two days and a half", { youngerThan: "60 hours" }, ["team/app:b1", "team/app:b2", "team/app:b3"]],
      [
        "a set, or the newest",
        { keep: ReferenceSet.tags("b1", "b2"), newest: 1 },
        ["team/app:b3", "team/app:b4"]
      ],
      ["a repository", { keep: ReferenceSet.repository("team/app") }, ["team/other:only"]]
    ] as ReadonlyArray<[string, Retention.Policy, ReadonlyArray<string>]>
  )("plans what would be deleted, and deletes it: %s", ([, policy, expected]) =>
    Effect.gen(function*() {
      yield* pushed(5)
      expect(yield* names(Retention.plan(policy))).toEqual(expected)
      const registry = yield* Registry
      expect(yield* list(registry.listTags(repository))).toHaveLength(5)
      expect(yield* names(Retention.apply(policy))).toEqual(expected)
      expect(yield* names(Retention.plan(policy))).toEqual([])
      const left = 6 - expected.length
      const tags = [...(yield* list(registry.listTags(repository))), ...(yield* list(registry.listTags(other)))]
      expect(tags).toHaveLength(left)
    }).pipe(test))

  it.effect("says why a tag goes", () =>
    Effect.gen(function*() {
      yield* pushed(1)
      const policy = { keep: ReferenceSet.tags("v*"), newest: 0, youngerThan: "12 hours" } as const
      expect(Array.from(yield* Stream.runCollect(Retention.plan(policy)))).toMatchObject([{
        repository,
        tag: "b1",
        updatedAt: 0,
        reason: "not in the set of references to keep, not among the newest 0 of its repository, older than 12h"
      }])
    }).pipe(test))

  it.effect("finds the newest of hundreds of tags, and deletes the others", () =>
    Effect.gen(function*() {
      for (let n = 0; n < 450; n++) {
        yield* push(repository, `t${n * 7919 % 450}`, n % 3)
        yield* TestClock.setTime(n)
      }
      const newest = Array.from({ length: 5 }, (_, n) => `t${(445 + n) * 7919 % 450}`)
      expect(yield* names(Retention.apply({ newest: 5 }))).toHaveLength(445)
      expect(yield* list((yield* Registry).listTags(repository))).toEqual(newest.toSorted())
    }).pipe(test))

  it.effect("keeps a tag that moves between the plan and the delete", () =>
    Effect.gen(function*() {
      yield* push(repository, "v1", 1)
      yield* TestClock.adjust("1 day")
      const moving = Layer.effect(
        MetadataStore.MetadataStore,
        Effect.map(Effect.all([MetadataStore.MetadataStore, Registry]), ([store]): MetadataStore.Service => ({
          ...store,
          deleteTag: (name, tag, digest) =>
            Effect.zipRight(Effect.orDie(push(repository, "v1", 2)), store.deleteTag(name, tag, digest))
              .pipe(Effect.provide(context))
        }))
      )
      const context = yield* Effect.context<Registry>()
      expect(yield* names(Retention.apply({ youngerThan: "1 hour" })).pipe(Effect.provide(moving))).toEqual([])
      expect(yield* list((yield* Registry).listTags(repository))).toEqual([v1])
    }).pipe(test))

  it.effect("runs in a layer, again and again", () =>
    Effect.gen(function*() {
      yield* push(repository, "v1", 1)
      const registry = yield* Registry
      yield* Effect.gen(function*() {
        yield* TestClock.adjust("2 hours")
        expect(yield* list(registry.listTags(repository))).toEqual([v1])
        yield* TestClock.adjust("2 hours")
        expect(yield* list(registry.listTags(repository))).toEqual([])
      }).pipe(Effect.provide(Retention.layer({ youngerThan: "150 minutes" })))
    }).pipe(test))
})
