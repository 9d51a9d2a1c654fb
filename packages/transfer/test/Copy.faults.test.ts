/** Copies that fail or are interrupted, and faults that must not make a copy fail. */
import { Answer, Handler, Operation, RegistryError, Tag } from "@effect-oci/core"
import type { Registry } from "@effect-oci/core"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, Stream } from "effect"
import { Copy } from "../src/index.js"
import { app, copyOf, on, pushBlob, pushImage, pushIndex, pushReferrer, recorded, v1 } from "./support.js"

const from = (source: { readonly registry: Registry["Type"] }) => ({
  registry: source.registry,
  repository: app,
  reference: v1
})

const to = (target: { readonly registry: Registry["Type"] }, more: object = {}) => ({
  registry: target.registry,
  repository: copyOf,
  ...more
})

const numbers = (size: number, seed = 0) => Uint8Array.from({ length: size }, (_, index) => (index + seed) % 251)

/** Creates a source with an image of one layer. */
const imageOf = (layer: Uint8Array) =>
  Effect.tap(
    recorded(),
    ({ counts, registry }) => Effect.zipRight(pushImage(registry, [layer], {}, [v1]), Effect.sync(counts))
  )

describe("a copy that fails or is interrupted", () => {
  it.live("cancels its uploads, if no tracker keeps them", () =>
    Effect.scoped(Effect.gen(function*() {
      const source = yield* imageOf(numbers(1000))
      const begun = yield* Deferred.make<void>()
      const target = yield* recorded({
        wrap: (next) =>
          Handler.override(next, {
            CompleteUpload: () => Effect.zipRight(Deferred.succeed(begun, undefined), Effect.never)
          })
      })
      const fiber = yield* Effect.fork(Copy.copy(from(source), to(target)))
      yield* Deferred.await(begun)
      yield* Effect.sleep("10 millis")
      yield* Fiber.interrupt(fiber)
      const { CancelUpload, StartUpload } = target.counts()
      expect({ CancelUpload, StartUpload }).toEqual({ CancelUpload: 2, StartUpload: 2 })

      const stream = yield* Effect.fork(Stream.runDrain(Copy.stream(from(source), to(target))))
      yield* Effect.repeat(Effect.sleep("5 millis"), {
        until: () => target.received.filter(({ _tag }) => _tag === "CompleteUpload").length === 2
      })
      yield* Fiber.interrupt(stream)
      expect(target.counts()).toMatchObject({ CancelUpload: 2, StartUpload: 2 })
    })))

  it.scoped("returns the events before the failure, and then the error", () =>
    Effect.gen(function*() {
      const source = yield* imageOf(numbers(1000))
      const denied = new RegistryError.Denied({ reason: "no tags today" })
      const target = yield* recorded({
        wrap: (next) => Handler.override(next, { PushManifest: () => Answer.fail(denied) })
      })
      const events: Array<string> = []
      const exit = yield* Copy.stream(from(source), to(target), { concurrency: 1 }).pipe(
        Stream.runForEach((event) => Effect.sync(() => events.push(event._tag))),
        Effect.exit
      )
      expect(Exit.isFailure(exit) && Cause.failureOption(exit.cause)).toMatchObject({ value: denied })
      expect(events).toEqual(
        ["Planned", "Started", "Moved", "Done", "Started", "Moved", "Done", "Started", "Failed"]
      )
    }))
})

describe("chunks", () => {
  it.scoped("have the size of the option, or the minimum size of the target", () =>
    Effect.gen(function*() {
      const source = yield* imageOf(numbers(1000))
      for (const [minChunkSize, sizes] of [[undefined, [300, 300, 300]], [400, [400, 400]]] as const) {
        const target = yield* recorded({
          wrap: (next) =>
            Handler.override(next, {
              StartUpload: (operation) => Effect.map(next(operation), (upload) => ({ ...upload, minChunkSize })),
              AppendUpload: (operation) => Effect.map(next(operation), (upload) => ({ ...upload, minChunkSize }))
            })
        })
        yield* Copy.copy(from(source), to(target), { chunkSize: 300 })
        const chunks = target.received.flatMap((operation) =>
          operation._tag === "AppendUpload" ? [operation.body.size] : []
        )
        expect(chunks).toEqual(sizes)
        const large = target.received.filter((operation) =>
          operation._tag === "CompleteUpload" && (operation.offset ?? 0) > 0
        )
        expect(large).toMatchObject([{ offset: sizes.length * sizes[0] }])
      }
      expect(source.counts()["GetBlob"]).toBe(4 + 3 + 2)
    }))

  it.scoped("are not sent again for ever if the target does not advance", () =>
    Effect.gen(function*() {
      const source = yield* imageOf(numbers(1000))
      const target = yield* recorded({
        wrap: (next) => Handler.override(next, { AppendUpload: ({ id, offset = 0 }) => Answer.succeed({ id, offset }) })
      })
      const error = yield* Effect.flip(Copy.copy(from(source), to(target), { chunkSize: 300 }))
      expect(error.message).toContain("still at byte 0")
      expect(target.counts()["AppendUpload"]).toBe(1)
    }))
})

describe("options", () => {
  it("are refused if they are not valid numbers", () => {
    const both = { registry: {} as Registry["Type"], repository: app, reference: v1 }
    for (
      const [options, says] of [
        [{ concurrency: 0 }, "concurrency must be a whole number of at least 1, not 0"],
        [{ chunkSize: 0.5 }, "chunkSize must be a whole number of at least 1, not 0.5"],
        [{ retries: -1 }, "retries must be a whole number of at least 0, not -1"]
      ] as const
    ) {
      expect(() => Copy.copy(both, both, options)).toThrow(says)
      expect(() => Copy.stream(both, both, options)).toThrow(says)
    }
  })

  it.scoped("refuse to move a tag before anything is written", () =>
    Effect.gen(function*() {
      const source = yield* recorded()
      const target = yield* recorded()
      yield* pushImage(source.registry, ["old"], {}, [v1])
      yield* Copy.copy(from(source), to(target))
      yield* pushImage(source.registry, ["new"], {}, [v1])
      target.counts()
      const error = yield* Effect.flip(Copy.copy(from(source), to(target), { ifAbsent: true }))
      expect(error._tag).toBe("OciDenied")
      expect(target.counts()).toEqual({ ResolveManifest: 1 })
    }))

  it.scoped("leave out entries of an index, and blobs", () =>
    Effect.gen(function*() {
      const source = yield* recorded()
      const target = yield* recorded({ sparseManifests: true })
      const [amd, arm] = [yield* pushImage(source.registry, ["amd"]), yield* pushImage(source.registry, ["arm"])]
      yield* pushIndex(source.registry, [on(amd, "linux/amd64"), on(arm, "linux/arm64")], {}, [v1])
      const { descriptor } = yield* Copy.copy(from(source), to(target), {
        filter: ({ descriptor, kind }) => kind === "manifest" ? descriptor.digest === arm.digest : kind === "config"
      })
      const index = yield* target.registry.getManifest(copyOf, descriptor.digest)
      expect(JSON.parse(new TextDecoder().decode(index.bytes)).manifests).toEqual([on(arm, "linux/arm64")])
      expect((yield* target.registry.resolveManifest(copyOf, arm.digest)).digest).toBe(arm.digest)
      const moved = target.received.filter(({ _tag }) => _tag === "CompleteUpload")
      expect(moved.length).toBe(1)
    }))

  it.scoped("report what would be mounted, and mount nothing", () =>
    Effect.gen(function*() {
      const one = yield* recorded()
      yield* pushImage(one.registry, ["one", "two"], {}, [v1])
      one.counts()
      const planned = yield* Copy.copy(from(one), to(one), { dryRun: true })
      expect(planned.blobs).toEqual({ moved: 0, mounted: 3, existed: 0 })
      expect(one.received.flatMap((operation) => Operation.isRead(operation) ? [] : [operation._tag])).toEqual([])
    }))
})

describe("mounting", () => {
  it.scoped("does not make the copy fail if the target refuses it, with any error", () =>
    Effect.gen(function*() {
      for (
        const error of [
          new RegistryError.Unsupported({}),
          new RegistryError.UnknownCode({ code: "NO_MOUNTS", status: 400 }),
          new RegistryError.Denied({})
        ]
      ) {
        const one = yield* recorded({ wrap: (next) => Handler.override(next, { MountBlob: () => Answer.fail(error) }) })
        yield* pushImage(one.registry, ["one"], {}, [v1])
        expect((yield* Copy.copy(from(one), to(one))).blobs).toEqual({ moved: 2, mounted: 0, existed: 0 })
      }
    }))
})

describe("events", () => {
  it.scoped("report each item once, also if only a tag is new, or an index refers to the root", () =>
    Effect.gen(function*() {
      const source = yield* recorded()
      const target = yield* recorded()
      const image = yield* pushImage(source.registry, ["one"], {}, [v1])
      yield* pushReferrer(source.registry, image, "a/signature")
      yield* pushIndex(source.registry, [image], { subject: image, artifactType: "a/list" })
      const tagsOf = (tags: ReadonlyArray<Tag.Tag>) =>
        Effect.map(
          Stream.runCollect(Copy.stream(from(source), to(target, { tags }))),
          (events) =>
            [...events].flatMap((event) =>
              "descriptor" in event && event._tag !== "Moved" ? [`${event._tag} ${event.descriptor.digest}`] : []
            )
        )
      const first = yield* tagsOf([v1])
      expect(new Set(first).size).toBe(first.length)
      expect(first.filter((line) => line.startsWith("Done")).length).toBe(3 + 4)
      const again = yield* tagsOf([v1, Tag.make("v2")])
      expect(new Set(again.map((line) => line.split(" ")[0]))).toEqual(new Set(["Existed"]))
      expect((yield* target.registry.resolveManifest(copyOf, Tag.make("v2"))).digest).toBe(image.digest)
    }))

  it.scoped("are reported for empty content too", () =>
    Effect.gen(function*() {
      const source = yield* recorded()
      const target = yield* recorded()
      const empty = yield* pushBlob(source.registry, new Uint8Array(0))
      yield* pushImage(source.registry, [new Uint8Array(0)], {}, [v1])
      const copied = yield* Copy.copy(from(source), to(target), { chunkSize: 10 })
      expect(copied.blobs.moved).toBe(2)
      expect((yield* target.registry.resolveBlob(copyOf, empty.digest)).size).toBe(0)
    }))
})
