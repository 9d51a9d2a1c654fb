/** Several nodes: registries over the same two stores. */
import { Body, Digest, Registry } from "@effect-oci/core"
import { BlobStore, Memory, MetadataStore, Store } from "@effect-oci/store"
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Queue, Stream, TestClock } from "effect"
import { pullText, repository, tagOf, text } from "./fixtures.js"

const memory = Layer.suspend(() => Layer.merge(Memory.layerBlobStore(), Memory.layerMetadataStore()))

/** Starts a node over the stores of the test. It runs until the scope closes. */
const node = (options?: Store.Options) =>
  Effect.map(Layer.build(Layer.fresh(Store.layer(options))), (context) => Context.get(context, Registry))

type Call = (...args: ReadonlyArray<never>) => Effect.Effect<unknown, unknown>

/** A metadata store that can lose its last commands, as a database that crashes before it writes them. */
const forgetful = Effect.gen(function*() {
  const open = Effect.map(
    Layer.build(Memory.layerMetadataStore()),
    (context): { readonly [name: string]: Call } => ({ ...Context.get(context, MetadataStore.MetadataStore) })
  )
  let current = yield* open
  let commands: ReadonlyArray<readonly [name: string, args: ReadonlyArray<never>]> = []
  const service = Object.fromEntries(
    Object.keys(current).map((name): [string, Call] => [
      name,
      (...args) =>
        Effect.suspend(() => {
          if (name.endsWith("Upload") && !name.startsWith("get")) commands = [...commands, [name, args]]
          return current[name]!(...args)
        })
    ])
  ) as unknown as MetadataStore.Service
  const lose = (count: number) =>
    Effect.gen(function*() {
      commands = commands.slice(0, -count)
      const kept = yield* open
      for (const [name, args] of commands) yield* kept[name]!(...args)
      current = kept
    })
  return { service, lose }
})

describe("several nodes over one pair of stores", () => {
  it.scoped("hash the bytes that are stored, although the database has lost its last commands", () =>
    Effect.gen(function*() {
      const { lose, service } = yield* forgetful
      yield* Effect.gen(function*() {
        const [a, b] = [yield* node(), yield* node()]
        const { id } = yield* a.startUpload(repository)
        yield* a.appendUpload(repository, id, Body.bytes(text("aaaaa")), { offset: 0 })
        yield* lose(2)
        expect(yield* b.getUpload(repository, id)).toMatchObject({ offset: 0 })
        yield* b.appendUpload(repository, id, Body.bytes(text("bbbbb")), { offset: 0 })
        yield* a.appendUpload(repository, id, Body.bytes(text("c")), { offset: 5 })
        const [wrong, right] = [Digest.fromBytes(text("aaaaac")), Digest.fromBytes(text("bbbbbc"))]
        yield* a.completeUpload(repository, id, right)
        expect(yield* tagOf(a.resolveBlob(repository, wrong))).toBe("OciBlobUnknown")
        expect(yield* Effect.provideService(pullText(repository, right), Registry, b)).toBe("bbbbbc")
      }).pipe(Effect.provideService(MetadataStore.MetadataStore, service))
    }).pipe(Effect.provide(memory)))

  it.scoped("keep a session that receives, although a collector takes longer than the session lives (rule 46)", () =>
    Effect.gen(function*() {
      const blobs = yield* BlobStore.BlobStore
      const slow = { ...blobs, listUploads: () => Effect.never }
      const a = yield* Effect.provideService(node({ grace: 0 }), BlobStore.BlobStore, slow)
      const b = yield* node()
      const { id } = yield* a.startUpload(repository)
      const bytes = yield* Queue.unbounded<Uint8Array>()
      const body = Body.stream(Stream.take(Stream.fromQueue(bytes), 2))
      const fiber = yield* Effect.fork(a.appendUpload(repository, id, body))
      yield* bytes.offer(text("a"))
      yield* TestClock.adjust("10 hours")
      yield* bytes.offer(text("b"))
      expect(yield* Fiber.join(fiber)).toEqual({ id, offset: 2 })
      yield* b.completeUpload(repository, id, Digest.fromBytes(text("ab")))
    }).pipe(Effect.provide(memory)))
})
