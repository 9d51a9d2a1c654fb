import * as Fixtures from "@effect-oci/conformance/Fixtures"
import { Answer, Body, Digest, MediaType, Operation, Registry, RegistryError } from "@effect-oci/core"
import { Memory } from "@effect-oci/store"
import * as samples from "@effect-oci/testing/RegistrySamples"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Layer } from "effect"
import { Cache } from "../src/index.js"
import { during, failing, image, logged, make, memory, other, push, read, repository, sum, tag, text } from "./cache.js"

const one = image(text("one"))
const two = image(text("two"), "another")

describe("Cache", () => {
  it.scoped.each([{ strict: false }, { strict: true }])(
    "serves pulled content without the upstream (store requires blobs before manifests: $strict)",
    ({ strict }) =>
      Effect.gen(function*() {
        const world = yield* make({ strict })
        yield* push(world, one)
        const pull = Effect.gen(function*() {
          const manifest = yield* world.cache.getManifest(repository, tag)
          expect(manifest).toEqual(yield* world.behind.getManifest(repository, tag))
          expect(yield* read(world.cache, one.blob)).toBe(sum(one.content))
          yield* world.cache.getManifest(repository, one.descriptor.digest)
          yield* world.cache.resolveManifest(repository, one.descriptor.digest)
          yield* world.cache.resolveBlob(repository, one.blob.digest)
          const range = yield* world.cache.getBlob(repository, one.blob.digest, { range: { offset: 1 } })
          expect(range.range).toEqual({ offset: 1, length: 2 })
        })
        expect(yield* during(world.base, pull)).toEqual(["GetManifest", "GetBlob"])
        expect(yield* during(world.base, pull)).toEqual([])
      })
  )

  it.scoped("stores an index without its manifests", () =>
    Effect.gen(function*() {
      const world = yield* make({ strict: true })
      yield* push(world, one)
      const index = Fixtures.document(MediaType.index, { manifests: [one.descriptor] })
      yield* world.behind.pushManifest(repository, { ...index, tags: [tag] })
      yield* world.cache.getManifest(repository, tag)
      const kept = yield* world.store.registry.getManifest(repository, Digest.fromBytes(index.bytes))
      expect(kept.bytes).toEqual(index.bytes)
    }))

  it.scoped("serves content that the store had before", () =>
    Effect.gen(function*() {
      const store = yield* memory({ sparseManifests: true })
      yield* store.pushBlob(repository, one.blob, Body.bytes(one.content))
      const middleware = yield* Cache.middleware({ store })
      const cache = Registry.fromHandler(
        middleware(samples.always(Exit.die("the upstream registry should not be called")))
      )
      expect(yield* read(cache, one.blob)).toBe(sum(one.content))
    }))

  it.scoped("returns a hit at once if the store does", () =>
    Effect.gen(function*() {
      const world = yield* make()
      yield* push(world, one)
      yield* world.cache.getManifest(repository, tag)
      yield* read(world.cache, one.blob)
      const { digest } = one.blob
      for (
        const operation of [
          new Operation.ResolveBlob({ repository, digest }),
          new Operation.GetBlob({ repository, digest }),
          new Operation.GetManifest({ repository, reference: one.descriptor.digest }),
          new Operation.ResolveManifest({ repository, reference: one.descriptor.digest })
        ]
      ) {
        expect(Exit.isExit(world.cache.handle(operation))).toBe(true)
      }
    }))

  it.scoped("forwards a range of a missing blob, and stores nothing", () =>
    Effect.gen(function*() {
      const world = yield* make()
      yield* push(world, one)
      const part = Effect.scoped(Effect.flatMap(
        world.cache.getBlob(repository, one.blob.digest, { range: { offset: 1 } }),
        ({ range }) => Effect.succeed(range)
      ))
      expect(yield* part).toEqual({ offset: 1, length: 2 })
      expect(yield* during(world.base, part)).toEqual(["GetBlob"])
      expect(world.store.seen).not.toContain("PushBlob")
    }))

  it.scoped("forwards a blob whose digest cannot be verified, and does not store it", () =>
    Effect.gen(function*() {
      const store = yield* memory()
      const digest = Digest.make("md5:00")
      const content = { ...samples.streamed, descriptor: { ...samples.descriptor, digest } }
      const middleware = yield* Cache.middleware({ store })
      const { handle } = Registry.fromHandler(
        middleware((operation) =>
          operation._tag === "GetBlob" ? Effect.succeed(content) as never : samples.known(operation)
        )
      )
      expect(yield* Effect.scoped(handle(new Operation.GetBlob({ repository, digest })))).toBe(content)
      expect(yield* Effect.flip(store.resolveBlob(repository, digest))).toMatchObject({ _tag: "OciBlobUnknown" })
    }))

  describe("between repositories", () => {
    it.scoped("asks the upstream for a blob that the store has in another repository only", () =>
      Effect.gen(function*() {
        const world = yield* make()
        yield* push(world, one)
        yield* push(world, two, { to: other })
        yield* read(world.cache, one.blob)
        yield* world.cache.getManifest(repository, tag)
        const { digest } = one.blob
        const asks: ReadonlyArray<Effect.Effect<unknown, RegistryError.RegistryError>> = [
          world.cache.resolveBlob(other, digest),
          Effect.scoped(world.cache.getBlob(other, digest)),
          Effect.scoped(world.cache.getBlob(other, digest, { range: { offset: 0 } })),
          world.cache.getManifest(other, one.descriptor.digest),
          world.cache.resolveManifest(other, one.descriptor.digest)
        ]
        for (const ask of asks) {
          expect(yield* Effect.flip(ask)).toMatchObject({ repository: other })
        }
        const mount = yield* world.cache.mountBlob(other, digest)
        expect(mount._tag).toBe("UploadStarted")
      }))

    it.scoped("mounts a blob from another repository after the upstream has confirmed it", () =>
      Effect.gen(function*() {
        const world = yield* make()
        yield* push(world, one)
        yield* push(world, one, { to: other })
        yield* read(world.cache, one.blob)
        const again = read(world.cache, one.blob, other)
        expect(yield* during(world.base, again)).toEqual(["ResolveBlob"])
        expect(yield* again).toBe(sum(one.content))
        expect(yield* during(world.base, again)).toEqual([])
        expect(world.store.seen.filter((name) => name === "PushBlob")).toHaveLength(1)
      }))

    it.scoped("pulls the blob again if the store cannot mount it, and leaves no upload session open", () =>
      Effect.gen(function*() {
        const world = yield* make()
        yield* push(world, one)
        yield* push(world, one, { to: other })
        yield* read(world.cache, one.blob)
        yield* world.store.registry.deleteBlob(repository, one.blob.digest)
        expect(yield* read(world.cache, one.blob, other)).toBe(sum(one.content))
        expect(world.store.seen.slice(-3)).toEqual(["MountBlob", "CancelUpload", "PushBlob"])
      }))
  })

  describe("when the store fails", () => {
    const rows: ReadonlyArray<{ readonly name: string; readonly at: ReadonlyArray<Operation.OperationTag> }> = [
      { name: "reads", at: ["ResolveBlob", "GetBlob", "ResolveManifest", "GetManifest"] },
      { name: "writes", at: ["PushBlob", "PushManifest", "MountBlob"] }
    ]
    it.scoped.each(rows)(
      "serves from the upstream, and logs one line for each kind of operation: $name",
      ({ at }) =>
        Effect.gen(function*() {
          const world = yield* make({ between: failing(...at) })
          yield* push(world, one)
          const lines = yield* logged(Effect.repeatN(
            Effect.gen(function*() {
              expect((yield* world.cache.getManifest(repository, one.descriptor.digest)).bytes).toEqual(one.bytes)
              expect(yield* read(world.cache, one.blob)).toBe(sum(one.content))
            }),
            3
          ))
          expect(new Set(lines).size).toBe(lines.length)
          expect(lines).toHaveLength(2)
          for (const line of lines) {
            expect(line).toMatch(
              /level=WARN .*message="the cache store failed; serving from upstream without caching" .*error=OciUnavailable/
            )
          }
        })
    )

    it.scoped("logs a second line if the store fails again after it worked", () =>
      Effect.gen(function*() {
        let down = true
        const world = yield* make({
          between: (next) => (operation) => (down ? failing("GetBlob")(next) : next)(operation)
        })
        yield* push(world, one)
        const lines = yield* logged(Effect.gen(function*() {
          for (const each of [true, true, false, false, true]) {
            down = each
            expect(yield* read(world.cache, one.blob)).toBe(sum(one.content))
          }
        }))
        expect(lines).toHaveLength(2)
      }))

    it.scoped("fails the delete, because deleted content must not be served", () =>
      Effect.gen(function*() {
        const world = yield* make({ between: failing("DeleteBlob", "DeleteManifest") })
        yield* push(world, one)
        yield* read(world.cache, one.blob)
        expect(yield* Effect.flip(world.cache.deleteBlob(repository, one.blob.digest))).toMatchObject({
          _tag: "OciUnavailable",
          message: `DeleteBlob team/app@${one.blob.digest}: the disk is gone`
        })
        expect(yield* Effect.flip(world.cache.deleteManifest(repository, one.descriptor.digest))).toMatchObject({
          _tag: "OciUnavailable"
        })
      }))
  })

  describe("writes", () => {
    it.scoped("deletes a blob from the store too, and accepts it again", () =>
      Effect.gen(function*() {
        const world = yield* make()
        yield* push(world, one)
        yield* read(world.cache, one.blob)
        yield* world.cache.deleteBlob(repository, one.blob.digest)
        expect(yield* Effect.flip(read(world.cache, one.blob))).toMatchObject({ _tag: "OciBlobUnknown" })
        expect(yield* Effect.flip(world.cache.resolveBlob(repository, one.blob.digest))).toMatchObject({
          _tag: "OciBlobUnknown"
        })
        yield* world.cache.pushBlob(repository, one.blob, Body.bytes(one.content))
        expect(yield* read(world.cache, one.blob)).toBe(sum(one.content))
      }))

    it.scoped("deletes nothing from the store if the upstream refuses the delete", () =>
      Effect.gen(function*() {
        const world = yield* make({
          base: (next) => (operation) =>
            Operation.access(operation) === "delete"
              ? Answer.fail(new RegistryError.Denied(Operation.errorFields(operation)))
              : next(operation)
        })
        yield* push(world, one)
        yield* read(world.cache, one.blob)
        expect(yield* Effect.flip(world.cache.deleteBlob(repository, one.blob.digest))).toMatchObject({
          _tag: "OciDenied"
        })
        expect(yield* during(world.base, read(world.cache, one.blob))).toEqual([])
      }))

    it.scoped("forgets a not-found result after every kind of push", () =>
      Effect.gen(function*() {
        const world = yield* make()
        const { cache } = world
        const { digest } = one.blob
        const missing = Effect.flip(read(cache, one.blob))
        yield* missing
        yield* cache.pushBlob(repository, one.blob, Body.bytes(one.content))
        expect(yield* read(cache, one.blob)).toBe(sum(one.content))
        yield* Effect.flip(cache.resolveBlob(other, digest))
        yield* cache.mountBlob(other, digest, { from: repository })
        yield* cache.resolveBlob(other, digest)
        yield* Effect.flip(cache.resolveBlob(repository, two.blob.digest))
        const { id } = yield* cache.startUpload(repository)
        yield* cache.completeUpload(repository, id, two.blob.digest, { body: Body.bytes(two.content) })
        yield* cache.resolveBlob(repository, two.blob.digest)
      }))

    it.scoped("drops blobs from the store that the upstream does not have, so that a second push succeeds", () =>
      Effect.gen(function*() {
        const world = yield* make()
        yield* push(world, one)
        yield* read(world.cache, one.blob)
        yield* world.behind.deleteBlob(repository, one.blob.digest)
        const pushImage = Effect.gen(function*() {
          const there = yield* Effect.isSuccess(world.cache.resolveBlob(repository, one.blob.digest))
          if (!there) yield* world.cache.pushBlob(repository, one.blob, Body.bytes(one.content))
          yield* world.cache.pushManifest(repository, { mediaType: one.mediaType, bytes: one.bytes, tags: [tag] })
        })
        expect(yield* Effect.flip(pushImage)).toMatchObject({ _tag: "OciManifestBlobUnknown" })
        yield* pushImage
      }))

    it.scoped.each(
      samples.tags.filter((tag) => !/^(Resolve|Get(Blob|Manifest))/.test(tag)).map((tag) => ({ tag }))
    )(
      "forwards $tag to the upstream and returns its result",
      ({ tag }) =>
        Effect.gen(function*() {
          const store = yield* memory()
          const seen: Array<string> = []
          const middleware = yield* Cache.middleware({ store })
          const handle = middleware((operation) => {
            seen.push(operation._tag)
            return samples.known(operation)
          })
          const answer = yield* samples.answerOf(handle, samples.operations[tag])
          expect(answer).toEqual(yield* samples.answerOf(samples.known, samples.operations[tag]))
          expect(seen).toEqual([tag])
        })
    )
  })

  describe("layers", () => {
    const upstream = Registry.layerHandler(samples.known)

    it.effect("accepts a layer or a registry as the store", () =>
      Effect.gen(function*() {
        const store = yield* Effect.provide(Registry, Memory.layer())
        for (const each of [Memory.layer(), store]) {
          const registry = yield* Effect.provide(Registry, upstream.pipe(Cache.wrap({ store: each })))
          expect((yield* registry.resolveManifest(repository, tag)).digest).toBe(samples.digest)
          const below = yield* Effect.provide(
            Registry,
            Cache.layer({ store: each }).pipe(Layer.provide(upstream))
          )
          expect((yield* below.resolveManifest(repository, tag)).digest).toBe(samples.digest)
        }
        expect(Cache.layer({ store })).not.toBe(Cache.layer({ store }))
      }))
  })
})
