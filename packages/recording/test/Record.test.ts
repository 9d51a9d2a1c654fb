import {
  Answer,
  BlobContent,
  Body,
  Descriptor,
  Handler,
  MediaType,
  Operation,
  Registry,
  RegistryError,
  RepositoryName,
  Tag
} from "@effect-oci/core"
import { Record, Recording, Replay } from "@effect-oci/recording"
import { Memory } from "@effect-oci/store"
import * as Arbitraries from "@effect-oci/testing/Arbitraries"
import * as History from "@effect-oci/testing/History"
import * as samples from "@effect-oci/testing/RegistrySamples"
import { NodeFileSystem } from "@effect/platform-node"
import * as FileSystem from "@effect/platform/FileSystem"
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Effect, Either, Exit, Fiber, Layer, Logger, Stream } from "effect"
import * as fc from "fast-check"

const text = (content: string) => new TextEncoder().encode(content)

/** Creates a recording in memory. */
const inMemory = () => {
  const lines: Array<string> = []
  const sink: Recording.Sink = { write: (line) => Effect.sync(() => void lines.push(line)) }
  const recording = () =>
    Either.getOrThrowWith(Recording.parse(lines.join("\n"), { name: "session" }), (error) => error)
  return { lines, sink, recording }
}

const recorded = (session: { readonly sink: Recording.Sink }, next: Handler.Handler, inline?: number) =>
  Effect.map(Record.middleware({ to: session.sink, inline }), (middleware) => middleware(next))

/** Returns the results of a handler through the methods of a registry, which verify content. */
const resultsOf = (handle: Handler.Handler, history: ReadonlyArray<History.Step>) =>
  Effect.provideService(History.run(history), Registry, Registry.fromHandler(handle))

describe("Record", () => {
  it.effect.each(samples.tags.map((tag) => ({ tag })))(
    "forwards $tag unchanged, and Replay returns the same result",
    ({ tag }) =>
      Effect.gen(function*() {
        const session = inMemory()
        const handle = yield* recorded(session, samples.known)
        const operation = samples.operations[tag]
        const expected = yield* samples.answerOf(samples.known, operation)
        expect(yield* samples.answerOf(handle, operation)).toEqual(expected)
        expect(session.lines).toHaveLength(1)
        const again = yield* samples.answerOf(Replay.handler(session.recording()), operation)
        const form = (exit: Exit.Exit<unknown, unknown>) =>
          JSON.stringify(
            Exit.map(
              exit,
              (answer) => typeof answer === "object" && answer !== null && "content" in answer ? answer.content : answer
            )
          )
        expect(JSON.parse(form(again))).toEqual(JSON.parse(form(expected).replaceAll(samples.canary, "upload-1")))
      }).pipe(Effect.scoped)
  )

  it("replays any sequence of operations with the same results", () =>
    fc.assert(
      fc.asyncProperty(History.history(25), (history) =>
        Effect.gen(function*() {
          const session = inMemory()
          const { handle } = yield* Registry
          const first = yield* resultsOf(yield* recorded(session, handle), history)
          expect(session.lines).toHaveLength(history.length)
          expect(yield* resultsOf(Replay.handler(session.recording()), history)).toEqual(first)
        }).pipe(Effect.scoped, Effect.provide(Memory.layer({ anonymousMount: true })), Effect.runPromise)),
      { numRuns: 60, seed: 20_261_121 }
    ))

  it("decodes every operation and every error that it encodes", () =>
    fc.assert(
      fc.asyncProperty(Arbitraries.operation, Arbitraries.registryError, (operation, error) =>
        Effect.gen(function*() {
          const session = inMemory()
          const handle = yield* recorded(session, samples.always(Answer.fail(error)))
          yield* Effect.ignore(samples.answerOf(handle, operation))
          const again = yield* Effect.flip(
            Effect.flatten(samples.answerOf(Replay.handler(session.recording()), operation))
          )
          expect(again._tag).toBe(error._tag)
          expect(again.status).toBe(error.status)
          expect(again.repository).toBe(error.repository)
          const rewritten = session.recording().entries.map(Recording.encode)
          expect(rewritten).toEqual(session.lines)
        }).pipe(Effect.scoped, Effect.runPromise)),
      { numRuns: 300, seed: 20_261_121 }
    ))

  it.effect("writes a list with its items and how it ended", () =>
    Effect.gen(function*() {
      const session = inMemory()
      const broken = new RegistryError.TransportError({ reason: "connection reset" })
      const { repository } = samples
      const handle = yield* recorded(
        session,
        Handler.override(samples.known, {
          ListTags: () =>
            Answer.succeed(
              Stream.concat(Stream.rechunk(Stream.make(Tag.make("a"), Tag.make("b")), 1), Stream.fail(broken))
            )
        })
      )
      const list = (handle: Handler.Handler, n: number) =>
        Effect.flatMap(
          handle(new Operation.ListTags({ repository })),
          (tags) => Effect.exit(Stream.runCollect(Stream.take(tags, n)))
        )
      const all = yield* list(handle, 9)
      const one = yield* list(handle, 1)
      expect(all).toEqual(Exit.fail(broken))
      expect(one).toEqual(Exit.succeed(Chunk.make("a")))
      expect(session.recording().entries).toMatchObject([
        { result: { items: ["a", "b"], ended: { error: { _tag: "OciTransportError" } } } },
        { result: { items: ["a"], ended: "early" } }
      ])
      const again = Replay.handler(session.recording())
      expect((yield* Effect.flip(Effect.flatten(list(again, 9)))).message).toBe(broken.message)
      expect(yield* list(again, 1)).toEqual(one)
      expect((yield* Effect.flip(Effect.flatten(list(again, 2))))._tag).toBe("OciRefused")
      yield* Effect.asVoid(handle(new Operation.ListTags({ repository })))
      expect(session.lines).toHaveLength(2)
    }).pipe(Effect.scoped))

  it.effect("writes the received part of broken content, and the error", () =>
    Effect.gen(function*() {
      const session = inMemory()
      const broken = new RegistryError.TransportError({ reason: "connection reset" })
      const { bytes, descriptor } = samples
      const handle = yield* recorded(
        session,
        Handler.override(samples.known, {
          GetBlob: () =>
            Answer.succeed(
              new BlobContent.BlobContent({
                descriptor,
                body: Body.stream(Stream.concat(Stream.make(bytes.subarray(0, 5)), Stream.fail(broken)), {
                  size: bytes.byteLength
                }),
                verified: false
              })
            )
        })
      )
      const read = (handle: Handler.Handler) =>
        Effect.gen(function*() {
          const { body } = yield* handle(samples.operations.GetBlob)
          const seen: Array<number> = []
          const exit = yield* Effect.exit(Body.forEachChunk(body, (chunk) => void seen.push(...chunk)))
          return { seen, failed: Exit.isFailure(exit), size: body.size }
        }).pipe(Effect.scoped)
      const first = yield* read(handle)
      expect(first).toEqual({ seen: [...bytes.subarray(0, 5)], failed: true, size: bytes.byteLength })
      expect(yield* read(Replay.handler(session.recording()))).toEqual(first)
    }).pipe(Effect.scoped))

  it.effect("keeps native sources native, and bytes in memory", () =>
    Effect.gen(function*() {
      const native = Handler.override(samples.known, { GetBlob: () => Answer.succeed(samples.native) })
      const handle = yield* recorded(inMemory(), native)
      const { body } = yield* handle(samples.operations.GetBlob)
      expect(body.source).toBeDefined()
      const sent: Array<Operation.Operation> = []
      const pushing = yield* recorded(inMemory(), (operation) => {
        sent.push(operation)
        return samples.known(operation)
      })
      yield* pushing(samples.operations.PushBlob)
      expect(sent).toEqual([samples.operations.PushBlob])
      expect(sent[0]).toBe(samples.operations.PushBlob)
    }).pipe(Effect.scoped))

  it.effect("writes no line for an interruption or a defect", () =>
    Effect.gen(function*() {
      const session = inMemory()
      const { ListTags, ResolveBlob } = samples.operations
      const handle = yield* recorded(
        session,
        Handler.override(samples.known, { ResolveBlob: () => Effect.never, ListTags: () => Effect.die("a bug") })
      )
      const fiber = yield* Effect.fork(handle(ResolveBlob))
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(fiber)
      expect(Exit.isFailure(yield* Effect.exit(handle(ListTags)))).toBe(true)
      expect(session.lines).toEqual([])
    }).pipe(Effect.scoped))

  it.effect("writes no secret: no id of an upload, no query or password of a URL, no cause", () =>
    Effect.gen(function*() {
      const session = inMemory()
      const canary = "CANARY"
      const secret = new RegistryError.PartialFailure({
        reason: `GET https://u:${canary}@r.example/v2/?sig=${canary} failed`,
        detail: { at: [`https://r.example/x?token=${canary}`] },
        diagnostics: [{ code: "DENIED", message: `see https://r.example/?key=${canary}` }],
        cause: new Error(canary),
        outcomes: [{
          name: "near",
          error: new RegistryError.TransportError({ url: `https://r.example/?a=${canary}`, cause: canary })
        }]
      })
      const ids = yield* recorded(session, samples.known)
      const errors = yield* recorded(session, samples.always(Answer.fail(secret)))
      const broken = Body.stream(Stream.fail(`no answer from https://r.example/?sig=${canary}`))
      const push = new Operation.PushBlob({ ...samples.operations.PushBlob, body: broken })
      const reading = Handler.override(samples.known, {
        PushBlob: ({ body }) => Effect.as(Body.forEachChunk(body, () => {}), samples.descriptor)
      })
      yield* samples.answerOf(yield* recorded(session, reading), push)
      expect(session.lines[0]).toMatch(/"error":\{"_tag":"OciBodyFailed"/)
      for (const tag of samples.tags) {
        yield* samples.answerOf(ids, samples.operations[tag])
        yield* samples.answerOf(errors, samples.operations[tag])
      }
      const unknown = new RegistryError.BlobUploadUnknown({ detail: { upload: samples.canary } })
      const uploads = yield* recorded(session, samples.always(Answer.fail(unknown)))
      yield* samples.answerOf(uploads, samples.operations.GetUpload)
      expect(session.lines).toHaveLength(2 + 2 * samples.tags.length)
      expect(session.lines.join("\n")).not.toContain(canary)
    }).pipe(Effect.scoped))
})

describe("Record to a file", () => {
  const repository = RepositoryName.make("team/app")
  const large = new Uint8Array(200_000).fill(7)
  const descriptor = Descriptor.fromBytes(large)
  const body = () => Body.stream(Stream.make(large.subarray(0, 150_000), large.subarray(150_000)), { size: 200_000 })

  const digestOf = (content: BlobContent.BlobContent) =>
    Effect.map(
      Body.toBytes(content.body, { limit: 1_000_000, onLimit: () => "too large" }),
      (bytes) => Descriptor.fromBytes(bytes).digest
    )

  const session = Effect.gen(function*() {
    const registry = yield* Registry
    yield* registry.pushBlob(repository, descriptor, body())
    const manifest = text(JSON.stringify({ schemaVersion: 2, mediaType: MediaType.index, manifests: [] }))
    yield* registry.pushManifest(repository, { mediaType: MediaType.index, bytes: manifest, tags: [Tag.make("v1")] })
    const read = yield* Effect.scoped(Effect.flatMap(registry.getBlob(repository, descriptor.digest), digestOf))
    const { bytes } = yield* registry.getManifest(repository, Tag.make("v1"))
    return { read, manifest: new TextDecoder().decode(bytes) }
  })

  it.scoped("replays large content from its folder; without a folder, knows only its digest and size", () =>
    Effect.gen(function*() {
      const files = yield* FileSystem.FileSystem
      const folder = yield* files.makeTempDirectoryScoped()
      const path = `${folder}/session.jsonl`
      const blobs = `${folder}/blobs`
      const first = yield* Effect.provide(
        session,
        Memory.layer().pipe(Record.wrap({ to: Recording.toFile(path, { blobs }) }))
      )
      expect(first.read).toBe(descriptor.digest)
      expect(yield* files.readDirectory(blobs)).toEqual([descriptor.digest.replace(":", "-")])
      expect(yield* Effect.provide(session, Replay.layer(Recording.fromFile(path, { blobs })))).toEqual(first)
      const without = yield* Effect.flip(Effect.provide(session, Replay.layer(Recording.fromFile(path))))
      expect(without).toMatchObject({ _tag: "OciRefused", by: "Replay" })
      expect(String(without)).toContain(`${descriptor.digest}, and its size, 200000 bytes`)
    }).pipe(Effect.provide(NodeFileSystem.layer)))

  it.scoped("keeps no file of broken content, and stores large bytes from memory", () =>
    Effect.gen(function*() {
      const files = yield* FileSystem.FileSystem
      const folder = yield* files.makeTempDirectoryScoped()
      const blobs = `${folder}/blobs`
      const broken = Body.stream(Stream.concat(Stream.make(large.subarray(5)), Stream.fail("gone")), { size: 200_000 })
      yield* Effect.gen(function*() {
        const registry = yield* Registry
        expect((yield* Effect.flip(registry.pushBlob(repository, descriptor, broken)))._tag).toBe("OciBodyFailed")
        expect(yield* files.readDirectory(blobs)).toEqual([])
        yield* registry.pushBlob(repository, descriptor, Body.bytes(large))
      }).pipe(Effect.provide(
        Memory.layer().pipe(Record.wrap({ to: Recording.toFile(`${folder}/a`, { blobs }), inline: 10 }))
      ))
      expect(yield* files.readDirectory(blobs)).toHaveLength(1)
    }).pipe(Effect.provide(NodeFileSystem.layer)))

  it.scoped("continues if the file cannot be written, and logs that once", () =>
    Effect.gen(function*() {
      const logged: Array<unknown> = []
      const full = FileSystem.layerNoop({
        open: () => Effect.succeed({ writeAll: () => Effect.fail({ message: "no space" }) } as never)
      })
      const log = Logger.replace(Logger.defaultLogger, Logger.make(({ message }) => void logged.push(message)))
      const recorded = Memory.layer().pipe(Record.wrap({ to: Recording.toFile("full") }))
      yield* Effect.provide(session, Layer.provideMerge(recorded, Layer.merge(full, log)))
      expect(logged).toEqual([["cannot write the recording full: no space; the recording ends here"]])
    }))

  it.effect("creates a new layer at each call", () =>
    Effect.sync(() => {
      const { sink } = inMemory()
      expect(Record.layer({ to: sink })).not.toBe(Record.layer({ to: sink }))
      expect(Layer.isLayer(Record.layer({ to: sink }))).toBe(true)
    }))
})
