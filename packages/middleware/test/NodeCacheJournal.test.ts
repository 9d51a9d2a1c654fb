import type { Middleware } from "@effect-oci/core"
import { Body, Descriptor, Registry, RepositoryName } from "@effect-oci/core"
import { Durable } from "@effect-oci/durable"
import { NodeContext } from "@effect/platform-node"
import * as FileSystem from "@effect/platform/FileSystem"
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Layer, TestClock } from "effect"
import { setTimeout } from "node:timers/promises"
import type * as CacheJournal from "../src/CacheJournal.js"
import { Cache } from "../src/index.js"
import * as NodeCacheJournal from "../src/NodeCacheJournal.js"
import { during, image, logged, memory, read, repository, side, tag, text } from "./cache.js"

const size = 1000
const blobs = Array.from({ length: 4 }, (_, index) => {
  const content = new Uint8Array(size).fill(index)
  return { content, descriptor: Descriptor.fromBytes(content) }
})
const one = image(text("one"))

const folder = Effect.flatMap(FileSystem.FileSystem, (files) => files.makeTempDirectoryScoped({ prefix: "journal-" }))

/** An upstream with an image and some blobs, and a directory for the cache. */
const world = Effect.gen(function*() {
  const behind = yield* memory()
  yield* behind.pushBlob(repository, one.blob, Body.bytes(one.content))
  yield* behind.pushManifest(repository, { mediaType: one.mediaType, bytes: one.bytes, tags: [tag] })
  for (const { content, descriptor } of blobs) yield* behind.pushBlob(repository, descriptor, Body.bytes(content))
  const directory = yield* folder
  return { base: side(behind.handle), directory, file: `${directory}/cache.ndjson` }
})

type World = Effect.Effect.Success<typeof world>

interface Started {
  readonly cache: Registry["Type"]
  readonly store: Registry["Type"]
}

/** Starts a cache over the directory, and stops it after `use`. */
const started = <A, E, R>(
  { base, directory, file }: World,
  use: (started: Started) => Effect.Effect<A, E, R>,
  { between = (next) => next, ...options }: Partial<Cache.Options> & { readonly between?: Middleware.Middleware } = {}
) =>
  Effect.scoped(Effect.gen(function*() {
    const durable = yield* Layer.build(Durable.layer({ directory: `${directory}/store`, sparseManifests: true }))
    const store = Context.get(durable, Registry)
    const middleware = yield* Cache.middleware({
      maxBytes: 100 * size,
      ...options,
      store: Registry.fromHandler(between(store.handle)),
      journal: NodeCacheJournal.make(file)
    })
    return yield* use({ store, cache: Registry.fromHandler(middleware(base.registry.handle)) })
  }))

const stored = ({ store }: Started) =>
  Effect.map(
    Effect.forEach(blobs, ({ descriptor }) => Effect.isSuccess(store.resolveBlob(repository, descriptor.digest))),
    (there) => there.flatMap((is, index) => is ? [index] : [])
  )

const readAll = (cache: Registry["Type"], ...indices: ReadonlyArray<number>) =>
  Effect.forEach(indices, (index) => read(cache, blobs[index]!.descriptor), { discard: true })

/** Repeats an effect until it returns the value, in real time. */
const eventually = <A, E, R>(effect: Effect.Effect<A, E, R>, value: A) =>
  Effect.repeat(Effect.zipRight(Effect.promise(() => setTimeout(5)), effect), {
    until: (result) => JSON.stringify(result) === JSON.stringify(value)
  })

/** Pulls the image, and waits until it is in the store. */
const pull = ({ cache, store }: Started) =>
  Effect.all([
    cache.getManifest(repository, tag),
    read(cache, one.blob),
    eventually(Effect.isSuccess(store.resolveManifest(repository, one.descriptor.digest)), true),
    eventually(Effect.isSuccess(store.resolveBlob(repository, one.blob.digest)), true)
  ])

const entryOf = (index: number): CacheJournal.Entry => ({
  _tag: "Stored",
  kind: "Blob",
  repository: RepositoryName.make(`team/app${index}`),
  digest: one.blob.digest,
  size
})

describe("a cache with a journal", () => {
  it.scoped("is warm after a restart, and a tag is valid for the rest of its time", () =>
    Effect.gen(function*() {
      const setting = yield* world
      yield* started(setting, pull)
      yield* TestClock.adjust("40 seconds")
      yield* started(setting, (again) =>
        Effect.gen(function*() {
          expect(yield* during(setting.base, pull(again))).toEqual([])
          yield* TestClock.adjust("19 seconds")
          expect(yield* during(setting.base, pull(again))).toEqual([])
          yield* TestClock.adjust("1 second")
          expect(yield* during(setting.base, pull(again))).toEqual(["ResolveManifest"])
        }))
    }).pipe(Effect.provide(NodeContext.layer)))

  it.scoped("resolves a tag again that would be valid for longer than the options permit", () =>
    Effect.gen(function*() {
      const setting = yield* world
      yield* started(setting, pull, { tagTimeToLive: "1 day" })
      const again = (cache: Started) => during(setting.base, pull(cache))
      expect(yield* started(setting, again, { tagTimeToLive: "1 minute" })).toEqual(["ResolveManifest"])
    }).pipe(Effect.provide(NodeContext.layer)))

  it.scoped("resolves a tag again that was written through the cache before the restart", () =>
    Effect.gen(function*() {
      const setting = yield* world
      const push = { mediaType: one.mediaType, bytes: one.bytes, tags: [tag] }
      yield* started(setting, ({ cache }) =>
        Effect.zipRight(cache.getManifest(repository, tag), cache.pushManifest(repository, push)))
      const seen = yield* started(setting, ({ cache }) =>
        during(setting.base, cache.getManifest(repository, tag)))
      expect(seen).toEqual(["GetManifest"])
    }).pipe(Effect.provide(NodeContext.layer)))

  it.scopedLive("keeps the order of use, and evicts at once what is above the limit", () =>
    Effect.gen(function*() {
      const setting = yield* world
      yield* started(setting, (first) =>
        Effect.gen(function*() {
          yield* readAll(first.cache, 0, 1, 2)
          yield* eventually(stored(first), [0, 1, 2])
          yield* readAll(first.cache, 0)
        }))
      yield* started(setting, (again) =>
        Effect.gen(function*() {
          yield* eventually(stored(again), [0, 2])
          yield* readAll(again.cache, 3)
          yield* eventually(stored(again), [0, 3])
        }), { maxBytes: 2 * size })
    }).pipe(Effect.provide(NodeContext.layer)))

  it.scoped("lists content in the file before the store has it", () =>
    Effect.gen(function*() {
      const setting = yield* world
      const files = yield* FileSystem.FileSystem
      const listed: Array<boolean> = []
      const between: Middleware.Middleware = (next) => (operation) =>
        operation._tag !== "PushBlob" ? next(operation) : Effect.flatMap(
          Effect.orDie(files.readFileString(setting.file)),
          (lines) => {
            listed.push(lines.includes(operation.descriptor.digest))
            return next(operation)
          }
        )
      yield* started(setting, ({ cache }) => readAll(cache, 0, 1), { between })
      expect(listed).toEqual([true, true])
    }).pipe(Effect.provide(NodeContext.layer)))

  it.scoped("skips damaged lines with one warning, and continues after a line that was cut off", () =>
    Effect.gen(function*() {
      const setting = yield* world
      const files = yield* FileSystem.FileSystem
      const damage = (end: string) =>
        Effect.flatMap(
          files.readFileString(setting.file),
          (lines) => files.writeFileString(setting.file, `\u0000\u0001\n{"_tag":"Stored"}\n${lines}${end}`)
        )
      yield* started(setting, pull)
      yield* damage(`\n{"_tag":"Stored","kind":"Bl`)
      const lines = yield* logged(started(setting, ({ cache }) => readAll(cache, 0)))
      expect(lines).toHaveLength(1)
      expect(lines[0]).toContain("skipped damaged lines of the cache journal")
      expect(lines[0]).toContain("lines=3")
      const entries = yield* Effect.scoped(NodeCacheJournal.make(setting.file)(() => []))
      expect(Array.from(entries.entries, ({ _tag }) => _tag)).toEqual(["Tagged", "Stored", "Stored", "Stored"])
    }).pipe(Effect.provide(NodeContext.layer)))

  it.scoped("serves although the journal cannot be read or written, with one warning for each", () =>
    Effect.gen(function*() {
      const setting = yield* world
      const files = yield* FileSystem.FileSystem
      yield* files.makeDirectory(setting.file)
      const lines = yield* logged(started(setting, ({ cache }) => readAll(cache, 0, 1, 0)))
      expect(lines).toHaveLength(2)
      expect(lines[0]).toContain("cannot read the cache journal")
      expect(lines[1]).toContain("cannot write the cache journal")
    }).pipe(Effect.provide(NodeContext.layer)))

  it.scoped("wraps one registry only", () =>
    Effect.gen(function*() {
      const journal = NodeCacheJournal.make(`${yield* folder}/cache.ndjson`)
      const { handle } = yield* memory()
      const middleware = yield* Cache.middleware({ store: yield* memory(), journal })
      middleware(handle)
      expect(() => middleware(handle)).toThrow("a Cache with a journal wraps one registry only")
    }).pipe(Effect.provide(NodeContext.layer)))
})

describe("the file of a journal", () => {
  it.scoped("is replaced by the present state when it is long", () =>
    Effect.gen(function*() {
      const path = `${yield* folder}/new/cache.ndjson`
      const present = [entryOf(0), entryOf(1)]
      const journal = NodeCacheJournal.make(path)
      yield* Effect.scoped(Effect.gen(function*() {
        const { recorder } = yield* journal(() => present)
        for (let index = 0; index < 10_000; index++) recorder.record(entryOf(index))
        yield* recorder.written
        recorder.record(entryOf(0))
      }))
      expect(Array.from((yield* journal(() => [])).entries)).toEqual(present)
    }).pipe(Effect.provide(NodeContext.layer)))

  it.scoped("is complete again after writes have failed", () =>
    Effect.gen(function*() {
      const files = yield* FileSystem.FileSystem
      const directory = `${yield* folder}/gone`
      const journal = NodeCacheJournal.make(`${directory}/cache.ndjson`)
      const present: Array<CacheJournal.Entry> = []
      const lines = yield* logged(Effect.scoped(Effect.gen(function*() {
        const { recorder } = yield* journal(() => present)
        const record = (index: number) => {
          present.push(entryOf(index))
          recorder.record(entryOf(index))
          return recorder.written
        }
        yield* record(0)
        yield* files.remove(directory, { recursive: true })
        yield* record(1)
        yield* record(2)
        yield* files.makeDirectory(directory)
        yield* record(3)
      })))
      expect(lines).toHaveLength(1)
      expect(Array.from((yield* journal(() => [])).entries)).toEqual(present)
    }).pipe(Effect.provide(NodeContext.layer)))

  it.scoped("receives an entry 100 ms later", () =>
    Effect.gen(function*() {
      const files = yield* FileSystem.FileSystem
      const path = `${yield* folder}/cache.ndjson`
      const { recorder } = yield* NodeCacheJournal.make(path)(() => [])
      recorder.record(entryOf(0))
      yield* TestClock.adjust("99 millis")
      expect(yield* files.readFileString(path)).toBe("")
      yield* TestClock.adjust("1 millis")
      yield* recorder.written
      expect(yield* files.readFileString(path)).toContain(one.blob.digest)
    }).pipe(Effect.provide(NodeContext.layer)))
})
