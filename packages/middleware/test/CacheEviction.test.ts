import type { Middleware } from "@effect-oci/core"
import { Body, Descriptor, Registry } from "@effect-oci/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { Cache } from "../src/index.js"
import {
  blobs as streamed,
  failing,
  image,
  logged,
  make,
  memory,
  push,
  read,
  repository,
  sum,
  tag,
  text
} from "./cache.js"

const one = image(text("one"))

describe("eviction", () => {
  const size = 1000
  const blobs = Array.from({ length: 5 }, (_, index) => {
    const content = new Uint8Array(size).fill(index)
    return { content, descriptor: Descriptor.fromBytes(content) }
  })

  /** Returns which of the blobs, and which manifests, are in the store. */
  const kept = ({ store }: { readonly store: { readonly registry: Registry["Type"] } }) =>
    Effect.map(
      Effect.forEach(blobs, ({ descriptor }) =>
        Effect.isSuccess(store.registry.resolveBlob(repository, descriptor.digest))),
      (there) =>
        there.flatMap((is, index) => is ? [index] : [])
    )

  const filled = (maxBytes: number, between?: Middleware.Middleware) =>
    Effect.gen(function*() {
      const world = yield* make({ maxBytes, ...(between === undefined ? {} : { between }) })
      for (const { content, descriptor } of blobs) {
        yield* world.behind.pushBlob(repository, descriptor, Body.bytes(content))
      }
      return world
    })

  const readAll = (registry: Registry["Type"], ...indices: ReadonlyArray<number>) =>
    Effect.forEach(indices, (index) => read(registry, blobs[index]!.descriptor))

  it.scoped("deletes the least recently used content", () =>
    Effect.gen(function*() {
      const world = yield* filled(3 * size)
      yield* readAll(world.cache, 0, 1, 2)
      expect(yield* kept(world)).toEqual([0, 1, 2])
      yield* readAll(world.cache, 0, 3)
      expect(yield* kept(world)).toEqual([0, 2, 3])
      yield* readAll(world.cache, 1)
      expect(yield* kept(world)).toEqual([0, 1, 3])
      expect(yield* readAll(world.cache, 2, 4)).toEqual([blobs[2]!, blobs[4]!].map(({ content }) => sum(content)))
    }))

  it.scoped("counts manifests too", () =>
    Effect.gen(function*() {
      const world = yield* filled(2 * size)
      yield* push(world, one)
      yield* world.cache.getManifest(repository, tag)
      yield* readAll(world.cache, 0)
      yield* readAll(world.cache, 1)
      expect(yield* kept(world)).toEqual([0, 1])
      expect(yield* Effect.isFailure(world.store.registry.getManifest(repository, one.descriptor.digest))).toBe(true)
    }))

  it.scoped("forwards content that is larger than the whole store", () =>
    Effect.gen(function*() {
      const world = yield* filled(size - 1)
      expect(yield* readAll(world.cache, 0)).toEqual([sum(blobs[0]!.content)])
      expect(world.store.seen).not.toContain("PushBlob")
    }))

  it.scoped("continues when a blob is deleted while a fill waits for room", () =>
    Effect.gen(function*() {
      let stuck = false
      const world = yield* filled(size, (next) => (operation) =>
        stuck && operation._tag === "DeleteBlob" ? Effect.never : next(operation))
      yield* readAll(world.cache, 0)
      stuck = true
      const fiber = yield* Effect.fork(readAll(world.cache, 1))
      yield* Effect.repeatN(Effect.yieldNow(), 50)
      expect(yield* Fiber.poll(fiber)).toMatchObject({ _tag: "None" })
      stuck = false
      yield* world.cache.deleteBlob(repository, blobs[1]!.descriptor.digest)
      expect(yield* Effect.flip(Fiber.join(fiber))).toMatchObject({ _tag: "OciBlobUnknown" })
    }))

  it.scoped("keeps content that is being read", () =>
    Effect.gen(function*() {
      // Content that streams instead of being in memory.
      const between = streamed(({ body }) => Body.stream(body.stream, { size: body.size }))
      const world = yield* filled(2 * size, between)
      yield* readAll(world.cache, 0, 1)
      yield* Effect.scoped(Effect.gen(function*() {
        yield* world.cache.getBlob(repository, blobs[0]!.descriptor.digest)
        yield* readAll(world.cache, 1, 2)
        expect(yield* kept(world)).toEqual([0, 2])
      }))
      yield* readAll(world.cache, 3)
      expect(yield* kept(world)).toEqual([2, 3])
    }))

  it.scoped("counts content of an earlier process from its first use", () =>
    Effect.gen(function*() {
      const store = yield* memory()
      for (const { content, descriptor } of blobs) yield* store.pushBlob(repository, descriptor, Body.bytes(content))
      const middleware = yield* Cache.middleware({ store, maxBytes: 2 * size })
      const cache = Registry.fromHandler(middleware(store.handle))
      yield* readAll(cache, 0, 1, 2)
      yield* Effect.repeatN(Effect.yieldNow(), 20)
      expect(yield* kept({ store: { registry: store } })).toEqual([1, 2, 3, 4])
    }))

  it.scoped("logs a failed delete of the store, and still serves reads", () =>
    Effect.gen(function*() {
      const world = yield* filled(size, failing("DeleteBlob"))
      const lines = yield* logged(readAll(world.cache, 0, 1, 2))
      expect(lines).toHaveLength(1)
      expect(lines[0]).toContain("operation=DeleteBlob")
    }))
})
