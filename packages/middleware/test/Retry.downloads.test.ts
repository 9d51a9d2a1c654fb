import { BlobContent, Body, ByteRange, Descriptor, Handler, Operation, Registry, RegistryError } from "@effect-oci/core"
import { Faulty } from "@effect-oci/laws"
import * as samples from "@effect-oci/testing/RegistrySamples"
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Deferred, Effect, Exit, Fiber, Scope, Stream, TestClock } from "effect"
import { Retry } from "../src/index.js"

const { repository } = samples

const content = Uint8Array.from({ length: 40 }, (_, index) => index)
const descriptor = Descriptor.fromBytes(content)
const { digest } = descriptor
const get = (range?: ByteRange.ByteRange) => new Operation.GetBlob({ repository, digest, range })

const pieces = (bytes: Uint8Array) => {
  const all: Array<Uint8Array> = []
  for (let at = 0; at < bytes.byteLength; at += 7) all.push(bytes.subarray(at, at + 7))
  return all
}

type Make = (bytes: Uint8Array) => Body.Body

const streamed: Make = (bytes) => Body.stream(Stream.fromIterable(pieces(bytes)), { size: bytes.byteLength })

/** A native source that obeys its contract: it sends nothing while it is paused. */
const native: Make = (bytes) =>
  Body.fromSource((sink) => {
    const rest = pieces(bytes)
    let over = false
    let paused = false
    const flow = () => {
      while (!over && !paused) {
        const piece = rest.shift()
        if (piece === undefined) {
          over = true
          return sink.end()
        }
        paused = true
        if (sink.data(piece)) paused = false
      }
    }
    queueMicrotask(flow)
    return {
      resume: () => {
        if (!paused) return
        paused = false
        queueMicrotask(flow)
      },
      cancel: () => {
        over = true
      }
    }
  }, { size: bytes.byteLength })

interface Base {
  readonly handle: Handler.Handler
  /** The requested ranges. */
  readonly ranges: Array<ByteRange.ByteRange | undefined>
  /** The number of open contents. */
  readonly open: () => number
}

/** Creates a registry with one blob. `answer` may change its answer. */
const base = (
  make: Make,
  answer: (content: BlobContent.BlobContent) => BlobContent.BlobContent = (same) => same
): Base => {
  const ranges: Array<ByteRange.ByteRange | undefined> = []
  let open = 0
  const handle = Handler.override(samples.known, {
    GetBlob: ({ range: wanted }) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          ranges.push(wanted)
          open += 1
          const range = wanted === undefined ? undefined : ByteRange.resolve(wanted, content.byteLength)
          const bytes = range === undefined ? content : content.subarray(range.offset, range.offset + range.length)
          return answer(new BlobContent.BlobContent({ descriptor, range, body: make(bytes), verified: false }))
        }),
        () => Effect.sync(() => void (open -= 1))
      )
  })
  return { handle, ranges, open: () => open }
}

const kinds = [{ kind: "native", make: native }, { kind: "streamed", make: streamed }]

const concat = (all: Iterable<Uint8Array>) => Uint8Array.from([...all].flatMap((piece) => [...piece]))

/** Reads all bytes and the end of a body, as a stream or by its native source. */
const read = (
  handle: Handler.Handler,
  operation: Operation.GetBlob
): Effect.Effect<{ readonly bytes: Uint8Array; readonly exit: Exit.Exit<void, RegistryError.RegistryError> }> =>
  Effect.suspend(() => {
    const all: Array<Uint8Array> = []
    return handle(operation).pipe(
      Effect.flatMap(({ body }) => Body.forEachChunk(body, (piece) => void all.push(piece))),
      Effect.scoped,
      Effect.exit,
      Effect.map((exit) => ({ bytes: concat(all), exit }))
    )
  })

const retry = (handle: Handler.Handler, options?: Retry.Options) => Retry.middleware({ delay: 0, ...options })(handle)

const cut = (after: number, how: "fails" | "ends" = "fails"): Faulty.Fault => ({ _tag: "Cut", after, how })

describe.each(kinds)("the content of a blob that is $kind", ({ make }) => {
  it.effect("resumes by range from the last byte received", () =>
    Effect.gen(function*() {
      for (const how of ["fails", "ends"] as const) {
        for (let after = 0; after < content.byteLength; after++) {
          const { ranges, handle, open } = base(make)
          const faulty = Faulty.make(Faulty.operation(1, cut(after, how)))
          const received = yield* read(retry(faulty.middleware(handle)), get())
          expect(received).toEqual({ bytes: content, exit: Exit.void })
          expect(ranges).toEqual([undefined, { offset: after, length: content.byteLength - after }])
          expect(open()).toBe(0)
        }
      }
    }))

  it.effect("is complete if it broke after the last byte", () =>
    Effect.gen(function*() {
      const { ranges, handle } = base(make)
      const faulty = Faulty.make(Faulty.operation(1, cut(content.byteLength)))
      expect(yield* read(retry(faulty.middleware(handle)), get())).toEqual({ bytes: content, exit: Exit.void })
      expect(faulty.fired()).toHaveLength(1)
      expect(ranges).toHaveLength(1)
    }))

  it.effect("resumes until the budget is used up", () =>
    Effect.gen(function*() {
      for (const retries of [0, 1, 2, 4, 5, 6]) {
        const { ranges, handle, open } = base(make)
        const faulty = Faulty.make(Faulty.operation(1, cut(9), { times: Infinity }))
        const { bytes, exit } = yield* read(retry(faulty.middleware(handle), { retries }), get())
        expect(bytes).toEqual(content.subarray(0, 9 * (retries + 1)))
        expect(ranges).toHaveLength(Math.min(retries, 4) + 1)
        expect(open()).toBe(0)
        if (retries >= 4) expect(exit).toEqual(Exit.void)
        else {
          const after = retries === 0 ? "" : `; given up after ${retries + 1} attempts`
          expect(exit).toMatchObject({ cause: { error: { reason: `connection reset${after}` } } })
        }
      }
    }))

  it.effect.each([
    { range: ByteRange.slice(5, 20), from: 5, to: 25 },
    { range: ByteRange.from(30), from: 30, to: 40 },
    { range: ByteRange.slice(30, 100), from: 30, to: 40 },
    { range: ByteRange.last(15), from: 25, to: 40 }
  ])("resumes within a range ($range)", ({ from, range, to }) =>
    Effect.gen(function*() {
      const { ranges, handle } = base(make)
      const faulty = Faulty.make(Faulty.operation(1, cut(4), { times: 2 }))
      const received = yield* read(retry(faulty.middleware(handle)), get(range))
      expect(received).toEqual({ bytes: content.subarray(from, to), exit: Exit.void })
      expect(ranges).toEqual([range, { offset: from + 4, length: to - from - 4 }, {
        offset: from + 8,
        length: to - from - 8
      }])
    }))

  it.effect("resumes without range support, and skips bytes already received", () =>
    Effect.gen(function*() {
      for (const after of [0, 3, 7, 39]) {
        const { handle } = base(make)
        const ignorant = Handler.override(handle, { GetBlob: () => handle(get()) })
        const faulty = Faulty.make(Faulty.operation(1, cut(after)))
        const received = yield* read(retry(faulty.middleware(ignorant)), get())
        expect(received).toEqual({ bytes: content, exit: Exit.void })
      }
    }))

  it.effect.each([
    {
      name: "another blob",
      answer: { descriptor: Descriptor.fromBytes(new Uint8Array(1)) },
      reason: "the blob changed during the download"
    },
    {
      name: "a blob of another size",
      answer: { descriptor: { ...descriptor, size: 41 } },
      reason: "the blob changed during the download"
    },
    {
      name: "another range",
      answer: { range: { offset: 8, length: 31 } },
      reason: "requested 31 bytes from offset 9, but the registry sent 31 bytes from offset 8"
    }
  ])("does not resume with $name", ({ answer, reason }) =>
    Effect.gen(function*() {
      const { handle, open } = base(make, (content) =>
        content.range === undefined ? content : new BlobContent.BlobContent({ ...content, ...answer }))
      const faulty = Faulty.make(Faulty.operation(1, cut(9)))
      const { bytes, exit } = yield* read(retry(faulty.middleware(handle)), get())
      expect(bytes).toEqual(content.subarray(0, 9))
      expect(exit).toMatchObject({ cause: { error: { _tag: "OciResponseInvalid", operation: "GetBlob" } } })
      expect(Exit.isFailure(exit) && String(exit.cause)).toContain(reason)
      expect(open()).toBe(0)
    }))

  it.effect("fails with an error that is not transient", () =>
    Effect.gen(function*() {
      const { ranges, handle } = base(make)
      const failure: Faulty.Failure = (fields) => new RegistryError.Denied(fields)
      for (const after of [9, content.byteLength]) {
        const faulty = Faulty.make(Faulty.operation(1, { _tag: "Cut", after, failure }))
        const { bytes, exit } = yield* read(retry(faulty.middleware(handle)), get())
        expect(bytes).toEqual(content.subarray(0, after))
        expect(exit).toMatchObject({ cause: { error: { _tag: "OciDenied" } } })
      }
      expect(ranges).toHaveLength(2)
    }))

  it.effect("opens and resumes within one budget", () =>
    Effect.gen(function*() {
      const { handle, open } = base(make)
      const faults = (k: number) => Faulty.operation(k, { _tag: "Fail" })
      const faulty = Faulty.make(Faulty.all(faults(1), Faulty.operation(2, cut(9)), faults(3)))
      const received = yield* read(retry(faulty.middleware(handle), { retries: 3 }), get())
      expect(received).toEqual({ bytes: content, exit: Exit.void })
      expect(faulty.fired()).toHaveLength(3)
      expect(open()).toBe(0)
    }))

  it.effect("is verified as a whole by the registry's methods", () =>
    Effect.gen(function*() {
      const { handle } = base((bytes) => make(bytes.byteLength === 40 ? bytes : bytes.map((byte) => byte ^ 1)))
      const faulty = Faulty.make(Faulty.operation(1, cut(9)))
      const registry = Registry.fromHandler(retry(faulty.middleware(handle)))
      const error = yield* Effect.flatMap(registry.getBlob(repository, digest), ({ body }) =>
        Body.forEachChunk(body, () => {})).pipe(Effect.scoped, Effect.flip)
      expect(error).toMatchObject({ _tag: "OciDigestInvalid" })
    }))

  it.effect("is not marked as verified any more", () =>
    Effect.gen(function*() {
      const { handle } = base(make, (content) => new BlobContent.BlobContent({ ...content, verified: true }))
      const { verified } = yield* Effect.scoped(retry(handle)(get()))
      expect(verified).toBe(false)
    }))

  it.effect("closes broken content before it requests the rest", () =>
    Effect.gen(function*() {
      const { handle, open } = base(make)
      const opened: Array<number> = []
      const counting = Handler.override(handle, {
        GetBlob: (operation) =>
          Effect.suspend(() => {
            opened.push(open())
            return handle(operation)
          })
      })
      const faulty = Faulty.make(Faulty.operation(1, cut(5), { times: 3 }))
      yield* read(retry(faulty.middleware(counting)), get())
      expect(opened).toEqual([0, 0, 0, 0])
    }))

  it.effect("is closed with its scope, even while it waits to resume", () =>
    Effect.gen(function*() {
      const { ranges, handle, open } = base(make)
      const faulty = Faulty.make(Faulty.operation(1, cut(9)))
      const scope = yield* Scope.make()
      const { body } = yield* Scope.extend(
        Retry.middleware({ delay: "1 minute" })(faulty.middleware(handle))(get()),
        scope
      )
      const fiber = yield* Effect.fork(Effect.exit(Body.forEachChunk(body, () => {})))
      yield* settled
      expect(faulty.fired()).toHaveLength(1)
      yield* Scope.close(scope, Exit.void)
      yield* Effect.forkDaemon(TestClock.adjust("1 hour"))
      if (body.source !== undefined) {
        expect(yield* Fiber.join(fiber)).toMatchObject({ cause: { error: { reason: "connection reset" } } })
      }
      yield* Fiber.interrupt(fiber)
      expect(ranges).toHaveLength(1)
      expect(open()).toBe(0)
    }))

  it.effect("stops waiting when its reader is interrupted", () =>
    Effect.gen(function*() {
      const { ranges, handle, open } = base(make)
      const faulty = Faulty.make(Faulty.operation(1, cut(9)))
      const fiber = yield* Effect.fork(read(Retry.middleware()(faulty.middleware(handle)), get()))
      yield* settled
      expect(faulty.fired()).toHaveLength(1)
      yield* Fiber.interrupt(fiber)
      yield* TestClock.adjust("1 hour")
      expect(ranges).toHaveLength(1)
      expect(open()).toBe(0)
    }))

  it.effect("can be read as a stream", () =>
    Effect.gen(function*() {
      const { handle } = base(make)
      const faulty = Faulty.make(Faulty.operation(1, cut(9), { times: 2 }))
      const bytes = yield* Effect.flatMap(retry(faulty.middleware(handle))(get()), ({ stream }) =>
        Stream.runCollect(stream)).pipe(Effect.scoped)
      expect(concat(Chunk.toReadonlyArray(bytes))).toEqual(content)
    }))
})

/** Lets all fibers and microtasks run until they are idle. */
const settled = Effect.promise(async () => {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
})

describe("a native source", () => {
  it.effect.each([
    { name: "from a native source", second: native },
    { name: "from a stream", second: streamed },
    { name: "from bytes in memory", second: Body.bytes }
  ])("stays native and respects backpressure: the rest is $name", ({ second }) =>
    Effect.gen(function*() {
      const { ranges, handle } = base((bytes) => bytes.byteLength === 40 ? native(bytes) : second(bytes))
      const faulty = Faulty.make(Faulty.operation(1, cut(14)))
      const scope = yield* Scope.make()
      const { body } = yield* Scope.extend(retry(faulty.middleware(handle))(get()), scope)
      const got: Array<Uint8Array> = []
      const ended = yield* Deferred.make<string>()
      const control = body.source!({
        data: (piece) => {
          got.push(piece)
          return false
        },
        end: () => Deferred.unsafeDone(ended, Effect.succeed("end")),
        fail: (error) => Deferred.unsafeDone(ended, Effect.succeed(error.message))
      })
      expect(got).toHaveLength(0)
      for (let turn = 1; turn < 20 && concat(got).byteLength < 40; turn++) {
        yield* settled
        expect(got).toHaveLength(turn)
        if (turn <= 2) expect(ranges).toHaveLength(1)
        control.resume()
      }
      expect(yield* Deferred.await(ended)).toBe("end")
      expect(concat(got)).toEqual(content)
      yield* Scope.close(scope, Exit.void)
    }))

  it.effect("sends and requests nothing after it is cancelled", () =>
    Effect.gen(function*() {
      for (const second of [native, streamed]) {
        const { ranges, handle, open } = base((bytes) => bytes.byteLength === 40 ? native(bytes) : second(bytes))
        const faulty = Faulty.make(Faulty.operation(1, cut(14)))
        for (const pieces of [1, 2, 3]) {
          const scope = yield* Scope.make()
          const { body } = yield* Scope.extend(retry(faulty.middleware(handle))(get()), scope)
          let got = 0
          const control = body.source!({
            data: () => {
              got += 1
              if (got === pieces) control.cancel()
              return got !== pieces
            },
            end: () => expect.fail("ended"),
            fail: (error) => expect.fail(error.message)
          })
          yield* settled
          expect(got).toBe(pieces)
          yield* Scope.close(scope, Exit.void)
          expect(open()).toBe(0)
        }
        expect(ranges.length).toBeLessThan(6)
      }
    }))

  it.effect("fails with the defect of its rest", () =>
    Effect.gen(function*() {
      const { handle } = base(native)
      const faulty = Faulty.make(Faulty.operation(1, cut(9)))
      const dying = Handler.override(faulty.middleware(handle), {
        GetBlob: (operation) =>
          operation.range === undefined ? faulty.middleware(handle)(operation) : Effect.die(new Error("a bug"))
      })
      const { exit } = yield* read(retry(dying), get())
      expect(exit).toMatchObject({ cause: { error: { reason: "connection reset", cause: new Error("a bug") } } })
    }))
})
