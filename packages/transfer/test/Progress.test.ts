import { Descriptor, Digest, MediaType, RegistryError, RepositoryName } from "@effect-oci/core"
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Effect, Stream } from "effect"
import { Copy, Progress } from "../src/index.js"
import { app, copyOf, pushImage, recorded, v1 } from "./support.js"

const { Event } = Progress

const content = (text: string) => Descriptor.fromBytes(new TextEncoder().encode(text), MediaType.layer)

const take = (events: Stream.Stream<Progress.Event>, count: number) =>
  Effect.map(Stream.runCollect(Stream.take(events, count)), Chunk.toReadonlyArray)

describe("a tracker", () => {
  it.scoped("sends a slow reader the newest progress of each blob, and all other events in order", () =>
    Effect.gen(function*() {
      const progress = yield* Progress.make
      const [one, other] = [content("0123456789"), content("another")]
      const slow = yield* progress.subscribe
      const moved = (descriptor: Descriptor.Descriptor, transferred: number) => Event.Moved({ descriptor, transferred })
      const sent = [
        Event.Started({ descriptor: one, transferred: 0 }),
        moved(one, 1),
        Event.Started({ descriptor: other, transferred: 0 }),
        moved(other, 1),
        moved(one, 5),
        Event.Started({ descriptor: one, transferred: 0 }),
        moved(one, 2),
        moved(other, 7),
        moved(one, 3),
        Event.Done({ descriptor: other })
      ]
      for (const event of sent) progress.report(event)
      expect(yield* take(slow, 7)).toEqual([
        sent[0],
        moved(one, 5),
        sent[2],
        moved(other, 7),
        sent[5],
        moved(one, 3),
        sent[9]
      ])
      progress.report(moved(one, 10))
      expect(yield* take(slow, 1)).toEqual([moved(one, 10)])
    }))

  it.scoped("keeps one progress event for each blob, however many arrive", () =>
    Effect.gen(function*() {
      const progress = yield* Progress.make
      const descriptor = content("0123456789")
      const slow = yield* progress.subscribe
      for (let byte = 0; byte < 100_000; byte++) progress.report(Event.Moved({ descriptor, transferred: byte }))
      progress.report(Event.Done({ descriptor }))
      expect((yield* take(slow, 2)).map(({ _tag }) => _tag)).toEqual(["Moved", "Done"])
    }))

  it.scoped("keeps the status of everything, and removes the oldest finished ones", () =>
    Effect.gen(function*() {
      const progress = yield* Progress.make
      const [moving, failed, mounted, existed] = ["moving", "failed", "mounted", "existed"].map(content)
      progress.report(Event.Started({ descriptor: moving!, transferred: 2 }))
      progress.report(Event.Started({ descriptor: failed!, transferred: 0 }))
      progress.report(Event.Moved({ descriptor: failed!, transferred: 3 }))
      progress.report(Event.Failed({ descriptor: failed!, error: new RegistryError.Unavailable({}) }))
      progress.report(Event.Mounted({ descriptor: mounted!, from: undefined }))
      progress.report(Event.Existed({ descriptor: existed! }))
      expect((yield* progress.statuses).map(({ state, transferred }) => [state, transferred])).toEqual([
        ["moving", 2],
        ["failed", 3],
        ["mounted", 7],
        ["existed", 7]
      ])
      for (let index = 0; index < Progress.mostStatuses; index++) {
        const digest = Digest.make(`sha256:${index.toString(16).padStart(64, "0")}`)
        progress.report(Event.Done({ descriptor: { ...moving!, digest } }))
      }
      const statuses = yield* progress.statuses
      expect(statuses.length).toBe(Progress.mostStatuses)
      expect(statuses.slice(0, 2).map(({ state }) => state)).toEqual(["moving", "done"])
    }))

  it.scoped("returns an interrupted upload to one caller only", () =>
    Effect.gen(function*() {
      const { uploads } = yield* Progress.make
      const { digest } = content("a layer")
      const [registry, other] = [{}, {}]
      uploads!.keep(registry, app, digest, "an id")
      expect(uploads!.take(other, app, digest)).toBeUndefined()
      expect(uploads!.take(registry, copyOf, digest)).toBeUndefined()
      expect(uploads!.take(registry, app, digest)).toBe("an id")
      expect(uploads!.take(registry, app, digest)).toBeUndefined()
    }))
})

describe("the progress of copies", () => {
  const image = Effect.gen(function*() {
    const source = yield* recorded()
    yield* pushImage(source.registry, ["one", "two"], {}, [v1])
    return { registry: source.registry, repository: app, reference: v1 }
  })

  it.scoped("contains all copies that share the tracker, also streams", () =>
    Effect.gen(function*() {
      const source = yield* image
      const target = yield* recorded()
      const into = (name: string) => ({ registry: target.registry, repository: RepositoryName.make(name) })
      const progress = yield* Progress.Progress
      const events = yield* progress.subscribe
      yield* Copy.copy(source, into("one"))
      yield* Stream.runDrain(Copy.stream(source, into("two")))
      const copied = yield* take(Stream.filter(events, ({ _tag }) => _tag === "Copied"), 2)
      const bytes = copied.reduce((sum, event) => event._tag === "Copied" ? sum + event.summary.bytes : sum, 0)
      expect(yield* progress.totals).toEqual({ manifests: 2, existed: 0, blobs: 6, bytes })
      const statuses = yield* progress.statuses
      expect(new Set(statuses.map(({ state }) => state))).toEqual(new Set(["done"]))
    }).pipe(Effect.provide(Progress.layer)))
})
