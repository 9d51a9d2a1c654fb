import {
  Answer,
  BlobContent,
  Body,
  Caller,
  Descriptor,
  Handler,
  Manifest,
  MediaType,
  Operation,
  Registry,
  RegistryError,
  RepositoryName,
  Tag
} from "@effect-oci/core"
import type { Middleware } from "@effect-oci/core"
import { Shadow } from "@effect-oci/recording"
import { Memory } from "@effect-oci/store"
import * as History from "@effect-oci/testing/History"
import * as samples from "@effect-oci/testing/RegistrySamples"
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Effect, Layer, Logger, LogLevel, Stream, TestClock } from "effect"
import * as fc from "fast-check"

const { repository, tag } = samples
const text = (content: string) => new TextEncoder().encode(content)

interface Options extends Partial<Shadow.Options> {
  readonly primary?: Handler.Handler
  readonly shadow: Handler.Handler
}

/**
 * Creates a handler with a shadow registry, the reports, and an effect that waits until all operations have been
 * compared.
 */
const beside = ({ primary = samples.known, shadow, ...options }: Options) =>
  Effect.map(
    Effect.suspend(() => {
      const reports: Array<Shadow.Report> = []
      const registry = Registry.fromHandler(shadow)
      const report = (report: Shadow.Report) => Effect.sync(() => void reports.push(report))
      return Effect.map(Shadow.middleware({ report, ...options, registry }), (wrap) => ({ wrap, reports }))
    }),
    ({ reports, wrap }) => ({ handle: wrap(primary), reports, settled: Effect.repeatN(Effect.yieldNow(), 80) })
  )

const differing = (reports: ReadonlyArray<Shadow.Report>) =>
  reports.map((report) => report._tag === "Different" ? [report.operation._tag, ...report.fields] : [report._tag])

const always = (error: RegistryError.RegistryError) => samples.always(Answer.fail(error))

/** Returns the results of a history on a registry in memory with a middleware. */
const results = (middleware: Middleware.Middleware, history: ReadonlyArray<History.Step>) =>
  Effect.gen(function*() {
    const { handle } = yield* Registry
    return yield* Effect.provideService(History.run(history), Registry, Registry.fromHandler(middleware(handle)))
  }).pipe(Effect.provide(Memory.layer({ anonymousMount: true })))

describe("Shadow", () => {
  it("changes no results for any answer of the second registry", () =>
    fc.assert(
      fc.asyncProperty(
        History.history(20),
        fc.boolean(),
        fc.constantFrom("same", "fails", "dies"),
        (history, writes, how) =>
          Effect.gen(function*() {
            const registry = how === "same"
              ? yield* Effect.scoped(
                Effect.map(
                  Layer.build(Memory.layer()),
                  (context) => context.unsafeMap.get(Registry.key) as Registry["Type"]
                )
              )
              : Registry.fromHandler(
                how === "fails" ? always(new RegistryError.Unavailable({})) : samples.always(Effect.die("a bug"))
              )
            const wrap = yield* Shadow.middleware({ registry, writes, report: () => Effect.void })
            expect(yield* results(wrap, history)).toEqual(yield* results((next) => next, history))
          }).pipe(Effect.scoped, Effect.runPromise)
      ),
      { numRuns: 24, seed: 20_261_121 }
    ))

  it("reports nothing if all writes went to both registries", () =>
    fc.assert(
      fc.asyncProperty(History.history(25), (history) =>
        Effect.gen(function*() {
          const [primary, second] = yield* Effect.all([Layer.build(Memory.layer()), Layer.build(Memory.layer())])
          const of = (context: typeof primary) => (context.unsafeMap.get(Registry.key) as Registry["Type"]).handle
          const { handle, reports, settled } = yield* beside({ primary: of(primary), shadow: of(second), writes: true })
          for (const step of history) {
            yield* Effect.provideService(History.run([step]), Registry, Registry.fromHandler(handle))
            yield* settled
          }
          expect(differing(reports)).toEqual([])
        }).pipe(Effect.scoped, Effect.runPromise)),
      { numRuns: 20, seed: 20_261_121 }
    ))

  it.effect.each(samples.tags.map((tag) => ({ tag })))(
    "sends $tag to the second registry if it is a read",
    ({ tag }) =>
      Effect.gen(function*() {
        const received: Array<Operation.Operation> = []
        const shadow: Handler.Handler = (operation) => {
          received.push(operation)
          return samples.known(operation)
        }
        const { handle, reports, settled } = yield* beside({ shadow })
        const operation = samples.operations[tag]
        expect(yield* samples.answerOf(handle, operation)).toEqual(yield* samples.answerOf(samples.known, operation))
        yield* settled
        expect(received).toEqual(Operation.isRead(operation) ? [operation] : [])
        expect(reports).toEqual([])
      }).pipe(Effect.scoped)
  )

  const other = Descriptor.fromBytes(text("other"), "application/vnd.example")
  const manifest = Effect.runSync(Manifest.make({ mediaType: other.mediaType, bytes: text("other") }))
  const blob = (content: string) =>
    new BlobContent.BlobContent({
      descriptor: samples.descriptor,
      body: Body.stream(Stream.make(text(content))),
      verified: false
    })

  it.effect.each<
    { readonly name: string; readonly rows: Partial<Handler.Table>; readonly found: ReadonlyArray<string> }
  >([
    {
      name: "a blob of another size",
      rows: { ResolveBlob: () => Answer.succeed({ ...samples.descriptor, size: 1 }) },
      found: ["ResolveBlob", "size"]
    },
    {
      name: "a blob that is absent",
      rows: { ResolveBlob: () => Answer.fail(new RegistryError.BlobUnknown({})) },
      found: ["ResolveBlob", "digest", "size", "error"]
    },
    { name: "other bytes", rows: { GetBlob: () => Answer.succeed(blob("?")) }, found: ["GetBlob", "read"] },
    {
      name: "a tag elsewhere",
      rows: { ResolveManifest: () => Answer.succeed(other) },
      found: ["ResolveManifest", "digest", "mediaType", "size"]
    },
    {
      name: "another manifest",
      rows: { GetManifest: () => Answer.succeed(manifest) },
      found: ["GetManifest", "digest", "mediaType", "read"]
    },
    {
      name: "a tag too many",
      rows: { ListTags: () => Answer.succeed(Stream.make(tag, Tag.make("v2"), Tag.make("v3"))) },
      found: ["ListTags", "items"]
    },
    {
      name: "a referrer too few",
      rows: { ListReferrers: () => Answer.succeed(Stream.empty) },
      found: ["ListReferrers", "items"]
    },
    {
      name: "a list that fails",
      rows: { ListTags: () => Answer.succeed(Stream.fail(new RegistryError.Denied({}))) },
      found: ["ListTags", "items", "error"]
    }
  ])("reports $name", ({ found, rows }) =>
    Effect.gen(function*() {
      const { handle, reports, settled } = yield* beside({ shadow: Handler.override(samples.known, rows) })
      for (const tag of samples.tags) yield* samples.answerOf(handle, samples.operations[tag])
      yield* settled
      expect(differing(reports)).toEqual([found])
    }).pipe(Effect.scoped))

  it.effect("compares only the part of a blob or a list that was read", () =>
    Effect.gen(function*() {
      const content = text("hello, world")
      const of = (tail: string): Handler.Handler =>
        Handler.override(samples.known, {
          GetBlob: () =>
            Answer.succeed(
              new BlobContent.BlobContent({
                descriptor: { ...samples.descriptor, size: 12 },
                body: Body.stream(Stream.rechunk(Stream.make(content.subarray(0, 6), text(tail)), 1), { size: 12 }),
                verified: false
              })
            ),
          ListTags: () => Answer.succeed(Stream.concat(Stream.make(Tag.make("a")), Stream.make(Tag.make(tail))))
        })
      const { handle, reports, settled } = yield* beside({ primary: of("there."), shadow: of("world.") })
      const read = (chunks: number) =>
        Effect.scoped(Effect.flatMap(
          handle(samples.operations.GetBlob),
          ({ body }) => Stream.runDrain(Stream.take(body.stream, chunks))
        ))
      const list = (items: number) =>
        Effect.flatMap(handle(samples.operations.ListTags), (tags) => Stream.runDrain(Stream.take(tags, items)))
      yield* Effect.all([read(1), list(1)])
      yield* settled
      expect(differing(reports)).toEqual([])
      yield* Effect.all([read(2), list(2)])
      yield* settled
      expect(differing(reports)).toEqual([["GetBlob", "read"], ["ListTags", "items"]])
    }).pipe(Effect.scoped))

  it.effect("does not wait for a second registry that hangs, and reports what was not compared", () =>
    Effect.gen(function*() {
      const { handle, reports, settled } = yield* beside({
        shadow: () => Effect.never,
        capacity: 2,
        concurrency: 1,
        timeout: "10 seconds"
      })
      for (let n = 0; n < 6; n++) {
        expect(yield* handle(samples.operations.ResolveBlob)).toEqual(samples.descriptor)
        yield* settled
      }
      expect(reports).toEqual([])
      yield* TestClock.adjust("10 seconds")
      yield* settled
      expect(reports).toMatchObject([{ _tag: "Unanswered", reason: "no response in 10s" }, {
        _tag: "Dropped",
        count: 3
      }])
    }).pipe(Effect.scoped))

  it.effect("distinguishes an outage from a difference, and continues after a report that dies", () =>
    Effect.gen(function*() {
      let reported = 0
      const { handle, settled } = yield* beside({
        shadow: always(new RegistryError.TransportError({ reason: "refused" })),
        report: (report) => {
          expect(report).toMatchObject({ _tag: "Unanswered" })
          reported++
          return Effect.die("a bug")
        }
      })
      for (let n = 0; n < 9; n++) yield* handle(samples.operations.ResolveBlob)
      yield* settled
      expect(reported).toBe(9)
    }).pipe(Effect.scoped, Effect.provide(Logger.remove(Logger.defaultLogger))))

  it.effect("does not compare operations that the first registry could not answer", () =>
    Effect.gen(function*() {
      const primary = always(new RegistryError.Unavailable({}))
      const { handle, reports, settled } = yield* beside({ primary, shadow: samples.known })
      for (const tag of samples.tags) yield* samples.answerOf(handle, samples.operations[tag])
      yield* settled
      expect(reports).toEqual([])
    }).pipe(Effect.scoped))

  it.effect("uses the same caller at the second registry", () =>
    Effect.gen(function*() {
      const callers: Array<string | undefined> = []
      const { handle, settled } = yield* beside({
        shadow: () =>
          Effect.flatMap(Caller.Caller, ({ name }) => {
            callers.push(name)
            return Answer.fail(new RegistryError.Unavailable({}))
          })
      })
      yield* Effect.provideService(handle(samples.operations.ResolveBlob), Caller.Caller, { name: "alice", claims: {} })
      yield* settled
      expect(callers).toEqual(["alice"])
    }).pipe(Effect.scoped))

  it.effect("keeps native sources native, and bytes in memory", () =>
    Effect.gen(function*() {
      const inMemory = new BlobContent.BlobContent({
        descriptor: samples.descriptor,
        body: Body.bytes(samples.bytes),
        verified: true
      })
      for (const content of [samples.native, inMemory]) {
        const primary = Handler.override(samples.known, { GetBlob: () => Answer.succeed(content) })
        const { handle, reports, settled } = yield* beside({ primary, shadow: samples.known })
        const { body } = yield* Effect.scoped(
          Effect.tap(handle(samples.operations.GetBlob), ({ body }) => Body.forEachChunk(body, () => {}))
        )
        expect([body.source === undefined, body.bytes]).toEqual([content === inMemory, content.body.bytes])
        yield* settled
        expect(reports).toEqual([])
      }
    }).pipe(Effect.scoped))

  it.effect("with writes, copies the blobs of uploads, mounts, pushes and deletes", () =>
    Effect.gen(function*() {
      const [first, second] = yield* Effect.all([Layer.build(Memory.layer()), Layer.build(Memory.layer())])
      const of = (context: typeof first) => context.unsafeMap.get(Registry.key) as Registry["Type"]
      const { handle, reports, settled } = yield* beside({
        primary: of(first).handle,
        shadow: of(second).handle,
        writes: true
      })
      const registry = Registry.fromHandler(handle)
      const app = RepositoryName.make("app")
      const base = RepositoryName.make("base")
      const config = Descriptor.fromBytes(text("{}"), MediaType.empty)
      const { id } = yield* registry.startUpload(base)
      const { id: newest } = yield* registry.appendUpload(base, id, Body.stream(Stream.make(text("{"))))
      yield* registry.completeUpload(base, newest, config.digest, { body: Body.stream(Stream.make(text("}"))) })
      yield* settled
      yield* registry.mountBlob(app, config.digest, { from: base })
      const bytes = text(JSON.stringify({ schemaVersion: 2, mediaType: MediaType.image, config, layers: [] }))
      yield* registry.pushManifest(app, { mediaType: MediaType.image, bytes, tags: [tag] })
      yield* settled
      expect((yield* of(second).getManifest(app, tag)).bytes).toEqual(bytes)
      expect(yield* of(second).resolveBlob(base, config.digest)).toMatchObject({ size: 2 })
      yield* registry.deleteTag(app, tag)
      yield* settled
      expect(Chunk.toReadonlyArray(yield* Stream.runCollect(of(second).listTags(app)))).toEqual([])
      yield* of(second).deleteBlob(base, config.digest)
      yield* Effect.exit(registry.deleteBlob(base, config.digest))
      yield* settled
      expect(differing(reports)).toEqual([["DeleteBlob", "error"]])
    }).pipe(Effect.scoped))

  it.effect("logs a difference as a warning, and an outage as a debug message", () =>
    Effect.gen(function*() {
      const lines: Array<unknown> = []
      const logger = Logger.make(({ annotations, logLevel, message }) =>
        void lines.push([logLevel._tag, String(message), Object.fromEntries(annotations)])
      )
      const run = (shadow: Handler.Handler) =>
        Effect.gen(function*() {
          const registry = yield* Registry
          yield* registry.resolveManifest(repository, tag)
          yield* Effect.repeatN(Effect.yieldNow(), 80)
        }).pipe(
          Effect.provide(
            Registry.layerHandler(samples.known).pipe(
              Shadow.wrap({ registry: Registry.layerHandler(shadow) }),
              Layer.provide([
                Logger.minimumLogLevel(LogLevel.Debug),
                Logger.replace(Logger.defaultLogger, logger)
              ])
            )
          )
        )
      yield* run(
        Handler.override(samples.known, { ResolveManifest: () => Answer.succeed({ ...samples.descriptor, size: 1 }) })
      )
      yield* run(always(new RegistryError.TransportError({ reason: "GET https://r.example/?sig=CANARY" })))
      expect(lines).toMatchObject([
        ["Warning", "Shadow: ResolveManifest differs in size", {
          repository,
          reference: tag,
          "primary.size": "19",
          "shadow.size": "1"
        }],
        ["Debug", "Shadow: ResolveManifest could not be compared", { reason: "GET https://r.example/?…" }]
      ])
    }))

  it.effect("wraps a layer in a new layer at each call", () =>
    Effect.gen(function*() {
      const options = { registry: Registry.fromHandler(samples.known) }
      const registry = yield* Effect.provide(Registry, Registry.layerHandler(samples.known).pipe(Shadow.wrap(options)))
      expect(yield* registry.resolveManifest(repository, tag)).toEqual(samples.descriptor)
      expect(Shadow.layer(options)).not.toBe(Shadow.layer(options))
    }))
})
