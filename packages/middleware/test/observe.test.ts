import { BlobContent, Body, Handler, RegistryError } from "@effect-oci/core"
import type { Operation, Tag } from "@effect-oci/core"
import * as samples from "@effect-oci/testing/RegistrySamples"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Stream, TestClock } from "effect"
import type { Scope } from "effect"
import { observe } from "../src/internal/observe.js"
import type { Observation, Observer } from "../src/internal/observe.js"

const broken = new RegistryError.TransportError({ reason: "connection reset" })
const failure = { _tag: "Failure", error: broken }
const success = { _tag: "Success" }
const partial = { _tag: "Partial" }
const interrupted = { _tag: "Interrupted" }

/** Creates an observed registry, and returns the observations. */
const observed = (base: Handler.Handler) => {
  const seen: Array<Pick<Observation, "outcome" | "bytes" | "count" | "millis">> = []
  const ended: Observer["ended"] = ({ bytes, count, millis, outcome }) =>
    void seen.push({ outcome, bytes, count, millis })
  const handle = observe({ ended })(base)
  return { seen, handle }
}

const content = (body: Body.Body, range?: BlobContent.BlobContent["range"]): Handler.Handler =>
  Handler.override(samples.known, {
    GetBlob: () =>
      Effect.succeed(new BlobContent.BlobContent({ descriptor: samples.descriptor, body, range, verified: false }))
  })

const listing = (tags: Stream.Stream<Tag.Tag, RegistryError.RegistryError>): Handler.Handler =>
  Handler.override(samples.known, { ListTags: () => Effect.succeed(tags) })

const half = samples.bytes.subarray(0, 9)
const parts = [half, samples.bytes.subarray(9)]
const size = samples.bytes.byteLength

/** A native source that sends its chunks, then ends or fails, unless it is cancelled before. */
const source = (chunks: ReadonlyArray<Uint8Array>, error?: RegistryError.RegistryError): Body.Body =>
  Body.fromSource((sink) => {
    let cancelled = false
    queueMicrotask(() => {
      for (const chunk of chunks) if (!cancelled) sink.data(chunk)
      if (cancelled) return
      if (error === undefined) sink.end()
      else sink.fail(error)
    })
    return {
      resume: () => {},
      cancel: () => {
        cancelled = true
      }
    }
  })

const read = (answer: BlobContent.BlobContent) => Body.forEachChunk(answer.body, () => {})
const readStream = (answer: BlobContent.BlobContent) => Stream.runDrain(answer.stream)
const readSome = (answer: BlobContent.BlobContent) => Stream.runDrain(Stream.take(answer.stream, 1))

/** Reads like a server that has sent the length: it counts the bytes, and does not wait for the end. */
const readAllButEnd = (answer: BlobContent.BlobContent) => Stream.runDrain(Stream.take(answer.stream, parts.length))

type Read = (answer: BlobContent.BlobContent) => Effect.Effect<void, RegistryError.RegistryError, Scope.Scope>

describe("observe, the content of a blob", () => {
  const { GetBlob } = samples.operations
  const streamed = Body.stream(Stream.fromIterable(parts).pipe(Stream.rechunk(1)))
  const breaking = Body.stream(Stream.concat(Stream.make(half), Stream.fail(broken)))

  const cases: ReadonlyArray<{
    readonly name: string
    readonly base: Handler.Handler
    readonly read: Read
    readonly outcome: object
    readonly bytes: number
  }> = [
    { name: "a stream, read", base: content(streamed), read, outcome: success, bytes: size },
    { name: "a stream, read in part", base: content(streamed), read: readSome, outcome: partial, bytes: 9 },
    { name: "a stream, not read", base: content(streamed), read: () => Effect.void, outcome: partial, bytes: 0 },
    {
      name: "a stream, read without its end",
      base: content(streamed),
      read: readAllButEnd,
      outcome: success,
      bytes: size
    },
    { name: "a stream that breaks", base: content(breaking), read, outcome: failure, bytes: 9 },
    {
      name: "a stream that dies",
      base: content(Body.stream(Stream.die("broken"))),
      read,
      outcome: { _tag: "Defect", defect: "broken" },
      bytes: 0
    },
    {
      name: "a stream that breaks, and is read again",
      base: content(breaking),
      read: (answer) => Effect.zipRight(Effect.ignore(read(answer)), read(answer)),
      outcome: failure,
      bytes: 18
    },
    {
      name: "a range, read without its end",
      base: content(Body.stream(Stream.concat(Stream.make(half), Stream.never)), { offset: 0, length: 9 }),
      read: readSome,
      outcome: success,
      bytes: 9
    },
    { name: "a native source, read", base: content(source(parts)), read, outcome: success, bytes: size },
    {
      name: "a native source, read as a stream",
      base: content(source(parts)),
      read: readStream,
      outcome: success,
      bytes: size
    },
    { name: "a native source that breaks", base: content(source([half], broken)), read, outcome: failure, bytes: 9 },
    {
      name: "a native source that is cancelled",
      base: content(source(parts)),
      read: ({ body }) =>
        Effect.async<void>((resume) => {
          const control = body.source!({
            data: () => {
              control.cancel()
              resume(Effect.void)
              return false
            },
            end: () => {},
            fail: () => {}
          })
        }),
      outcome: partial,
      bytes: 9
    },
    {
      name: "a native source, not read",
      base: content(source(parts)),
      read: () => Effect.void,
      outcome: partial,
      bytes: 0
    },
    { name: "empty content", base: content(Body.empty), read, outcome: success, bytes: 0 },
    {
      name: "a reader that fails",
      base: content(streamed),
      read: (answer) => Effect.zipRight(readSome(answer), Effect.fail(broken)),
      outcome: partial,
      bytes: 9
    },
    {
      name: "a reader that is interrupted",
      base: content(streamed),
      read: (answer) => Effect.zipRight(readSome(answer), Effect.interrupt),
      outcome: interrupted,
      bytes: 9
    }
  ]
  describe.each([
    { name: "an exit", answered: (handle: Handler.Handler) => handle },
    { name: "an effect", answered: samples.suspended }
  ])("answered by $name", ({ answered }) => {
    it.effect.each(cases)("$name", ({ base, bytes, outcome, read }) =>
      Effect.gen(function*() {
        const { handle, seen } = observed(answered(base))
        yield* Effect.exit(Effect.scoped(Effect.flatMap(handle(GetBlob), read)))
        expect(seen).toEqual([{ outcome, bytes, count: undefined, millis: 0 }])
      }))
  })

  it.scoped("stays native, and keeps its size and whether it can be run again", () =>
    Effect.gen(function*() {
      const body = Body.fromSource(source(parts).source!, { size, replayable: true })
      const answer = yield* observed(content(body)).handle(GetBlob)
      expect(answer.body.source).toBeDefined()
      expect(answer.body).toMatchObject({ size, replayable: true })
    }))

  it.scoped("is reported at once if its bytes are in memory, and is unchanged", () =>
    Effect.gen(function*() {
      const body = Body.bytes(samples.bytes)
      const { handle, seen } = observed(content(body))
      expect((yield* handle(GetBlob)).body).toBe(body)
      expect(seen).toMatchObject([{ outcome: success, bytes: size }])
    }))

  it.effect("is timed until its end, not until its scope closed", () =>
    Effect.gen(function*() {
      const slow = Body.stream(
        Stream.concat(Stream.make(half), Stream.drain(Stream.fromEffect(Effect.sleep("3 seconds"))))
      )
      const { handle, seen } = observed(content(slow))
      const fiber = yield* Effect.fork(
        Effect.scoped(Effect.zipRight(Effect.flatMap(handle(GetBlob), read), Effect.sleep("1 minute")))
      )
      yield* TestClock.adjust("10 seconds")
      expect(seen).toEqual([])
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(fiber)
      expect(seen).toMatchObject([{ millis: 3000, bytes: 9 }])
    }))

  it.effect("is reported as interrupted if the stream is interrupted", () =>
    Effect.gen(function*() {
      const { handle, seen } = observed(content(Body.stream(Stream.concat(Stream.make(half), Stream.never))))
      const fiber = yield* Effect.fork(Effect.scoped(Effect.flatMap(handle(GetBlob), read)))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(fiber)
      expect(seen).toEqual([{ outcome: interrupted, bytes: 9, count: undefined, millis: 1000 }])
    }))

  it.effect("is reported at once, and only once, if it could not be opened", () =>
    Effect.gen(function*() {
      const { handle, seen } = observed(samples.always(Effect.fail(broken)))
      yield* Effect.scoped(Effect.gen(function*() {
        yield* Effect.flip(handle(GetBlob))
        expect(seen).toHaveLength(1)
      }))
      expect(seen).toEqual([{ outcome: failure, bytes: undefined, count: undefined, millis: 0 }])
    }))
})

describe("observe, a list", () => {
  const ListTags: Operation.ListTags = samples.operations.ListTags
  const tags = Stream.make(samples.tag, samples.tag, samples.tag).pipe(Stream.rechunk(1))

  it.effect.each<{
    readonly name: string
    readonly list: Stream.Stream<Tag.Tag, RegistryError.RegistryError>
    readonly take: number
    readonly outcome: object
    readonly count: number
  }>([
    { name: "read", list: tags, take: Infinity, outcome: success, count: 3 },
    { name: "read in part", list: tags, take: 2, outcome: partial, count: 2 },
    { name: "that is empty", list: Stream.empty, take: Infinity, outcome: success, count: 0 },
    { name: "that breaks", list: Stream.concat(tags, Stream.fail(broken)), take: Infinity, outcome: failure, count: 3 }
  ])("$name", ({ count, list, outcome, take }) =>
    Effect.gen(function*() {
      const { handle, seen } = observed(listing(list))
      const stream = yield* handle(ListTags)
      expect(seen).toEqual([])
      yield* Effect.exit(Stream.runDrain(Number.isFinite(take) ? Stream.take(stream, take) : stream))
      expect(seen).toEqual([{ outcome, count, bytes: undefined, millis: 0 }])
    }))

  it.effect("is reported as interrupted", () =>
    Effect.gen(function*() {
      const { handle, seen } = observed(listing(Stream.concat(tags, Stream.never)))
      const fiber = yield* Effect.fork(Effect.flatMap(handle(ListTags), Stream.runDrain))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(fiber)
      expect(seen).toEqual([{ outcome: interrupted, count: 3, bytes: undefined, millis: 1000 }])
    }))

  it.effect("is reported for each run, with the count of that run", () =>
    Effect.gen(function*() {
      const { handle, seen } = observed(listing(tags))
      const stream = yield* handle(ListTags)
      yield* Stream.runDrain(stream)
      yield* Stream.runDrain(stream)
      expect(seen).toMatchObject([{ count: 3 }, { count: 3 }])
    }))

  it.effect("is reported at once if it fails before it starts", () =>
    Effect.gen(function*() {
      const { handle, seen } = observed(samples.always(Effect.fail(broken)))
      yield* Effect.flip(handle(ListTags))
      expect(seen).toMatchObject([{ outcome: failure, count: undefined }])
    }))
})
