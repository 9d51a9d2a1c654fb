import { describe, expect, it } from "@effect/vitest"
import { Chunk, Deferred, Effect, Exit, Fiber, Stream } from "effect"
import * as fc from "fast-check"
import * as Body from "../src/Body.js"
import * as Descriptor from "../src/Descriptor.js"
import * as Digest from "../src/Digest.js"
import { BlobUnknown, BodyFailed, DigestInvalid, SizeInvalid, TransportError } from "../src/RegistryError.js"
import type * as Source from "../src/Source.js"
import { scripted } from "./scripted.js"

const kibi = 1024
const mebi = 1024 * kibi

const text = (content: string): Uint8Array => new TextEncoder().encode(content)

const joined = (chunks: Iterable<Uint8Array>): Uint8Array => new Uint8Array(Buffer.concat([...chunks]))

/** Splits content into chunks of one byte, the smallest possible ones. */
const byteByByte = (content: Uint8Array): ReadonlyArray<Uint8Array> =>
  Array.from(content, (byte) => Uint8Array.of(byte))

/** The three kinds of bodies, with the same content. */
const kinds: ReadonlyArray<{
  readonly kind: string
  readonly make: (chunks: ReadonlyArray<Uint8Array>, size?: number) => Body.Body
}> = [
  { kind: "bytes", make: (chunks) => Body.bytes(joined(chunks)) },
  { kind: "stream", make: (chunks, size) => Body.stream(Stream.fromIterable(chunks), { size, replayable: true }) },
  { kind: "source", make: (chunks, size) => Body.fromSource(scripted(chunks).source, { size, replayable: true }) }
]

/** Returns what a reader of the stream receives before its end, and how the stream ends. */
const read = (body: Body.Body) =>
  Effect.suspend(() => {
    const passed: Array<Uint8Array> = []
    return body.stream.pipe(
      Stream.runForEachChunk((chunk) => Effect.sync(() => Chunk.forEach(chunk, (piece) => passed.push(piece)))),
      Effect.exit,
      Effect.map((exit) => ({ passed: joined(passed), exit }))
    )
  })

/** Does the same with {@link Body.forEachChunk}. */
const readEach = (body: Body.Body) =>
  Effect.suspend(() => {
    const passed: Array<Uint8Array> = []
    return Body.forEachChunk(body, (piece) => passed.push(piece)).pipe(
      Effect.exit,
      Effect.map((exit) => ({ passed: joined(passed), exit }))
    )
  })

const turns = (count: number) =>
  Effect.promise(async () => {
    for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
  })

const noLimit = { limit: Number.MAX_SAFE_INTEGER, onLimit: () => new SizeInvalid({}) }

describe("a body", () => {
  it.each([
    { name: "bytes", body: Body.bytes(text("hello")), size: 5, replayable: true },
    { name: "no bytes", body: Body.empty, size: 0, replayable: true },
    { name: "a stream", body: Body.stream(Stream.empty), size: undefined, replayable: false },
    {
      name: "a stream of known size",
      body: Body.stream(Stream.empty, { size: 0, replayable: true }),
      size: 0,
      replayable: true
    },
    { name: "a source", body: Body.fromSource(scripted([]).source), size: undefined, replayable: false },
    {
      name: "a source of known size",
      body: Body.fromSource(scripted([]).source, { size: 0, replayable: true }),
      size: 0,
      replayable: true
    }
  ])("of $name says its size and whether it can be run again", ({ body, replayable, size }) => {
    expect({ size: body.size, replayable: body.replayable }).toEqual({ size, replayable })
    expect(Body.isBody(body)).toBe(true)
    expect(body.pipe((piped) => piped)).toBe(body)
  })

  it.each([undefined, null, "body", {}, { stream: Stream.empty }])("is not %j", (value) => {
    expect(Body.isBody(value)).toBe(false)
  })

  it("yields the same bytes for every kind of body and every way to read it", () =>
    fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 10 }), async (chunks) => {
        const content = joined(chunks)
        for (const { make } of kinds) {
          const body = make(chunks)
          const all = await Effect.runPromise(Effect.all([read(body), readEach(body), Body.toBytes(body, noLimit)]))
          expect(all).toEqual([
            { passed: content, exit: Exit.void },
            { passed: content, exit: Exit.void },
            content
          ])
        }
      }),
      { numRuns: 50 }
    ))

  it.effect("does not copy bytes in memory", () =>
    Effect.gen(function*() {
      const content = text("hello")
      expect(yield* Body.toBytes(Body.bytes(content), noLimit)).toBe(content)
      expect(yield* Stream.runHead(Body.bytes(content).stream)).toMatchObject({ value: content })
    }))

  it.effect.each([
    {
      name: "that is a registry's error stays as it is",
      failure: new BlobUnknown({ status: 404 }),
      message: undefined
    },
    {
      name: "that is another error is one of the body",
      failure: new Error("disk on fire"),
      message: "the body to send failed: disk on fire"
    },
    {
      name: "that is not an error becomes an error of the body",
      failure: "disk on fire",
      message: "the body to send failed"
    }
  ])("whose stream fails: a failure $name", ({ failure, message }) =>
    Effect.gen(function*() {
      const body = Body.stream(Stream.concat(Stream.make(text("he")), Stream.fail(failure)))
      const { exit, passed } = yield* read(body)
      expect(passed).toEqual(text("he"))
      if (message === undefined) return expect(exit).toStrictEqual(Exit.fail(failure))
      const error = yield* Effect.flip(exit)
      expect(error).toBeInstanceOf(BodyFailed)
      expect(error.message).toBe(message)
      expect(error.cause).toBe(failure)
    }))
})

describe("a stream over a source", () => {
  it.effect("buffers at most 1 MiB of unread bytes", () =>
    Effect.gen(function*() {
      const piece = new Uint8Array(64 * kibi)
      const { seen, source } = scripted(Array.from({ length: 1600 }, () => piece))
      let taken = 0
      let most = 0
      yield* Stream.runForEachChunk(Body.fromSource(source).stream, (chunk) => {
        for (const part of chunk) taken += part.byteLength
        return Effect.zipRight(
          turns(40),
          Effect.sync(() => {
            most = Math.max(most, seen.bytes - taken)
          })
        )
      })
      expect(taken).toBe(100 * mebi)
      expect(most).toBeGreaterThan(0)
      expect(most).toBeLessThanOrEqual(mebi)
    }))

  it.effect("opens its source only when it is read, and again each time", () =>
    Effect.gen(function*() {
      const { seen, source } = scripted([text("hello")])
      const body = Body.fromSource(source, { replayable: true })
      expect(seen.opened).toBe(0)
      expect((yield* read(body)).passed).toEqual(text("hello"))
      expect((yield* read(body)).passed).toEqual(text("hello"))
      expect(seen).toMatchObject({ opened: 2, open: 0, cancelled: 0 })
    }))

  it.effect("emits the bytes before a failure, and then the failure", () =>
    Effect.gen(function*() {
      const failure = new TransportError({ reason: "connection reset" })
      const { source } = scripted(byteByByte(text("hel")), failure)
      expect(yield* read(Body.fromSource(source))).toEqual({ passed: text("hel"), exit: Exit.fail(failure) })
    }))

  it.effect("closes its source when its reader stops early", () =>
    Effect.gen(function*() {
      const { seen, source } = scripted(byteByByte(text("hello")))
      yield* Stream.runHead(Body.fromSource(source).stream)
      expect(seen).toMatchObject({ opened: 1, open: 0, cancelled: 1 })
    }))

  it.effect("closes its source when its reader is interrupted", () =>
    Effect.gen(function*() {
      const { seen, source } = scripted(byteByByte(text("hello")))
      const begun = yield* Deferred.make<void>()
      const reader = yield* Effect.fork(
        Stream.runForEach(
          Body.fromSource(source).stream,
          () => Effect.zipRight(Deferred.succeed(begun, undefined), Effect.never)
        )
      )
      yield* Deferred.await(begun)
      expect(seen.open).toBe(1)
      yield* Fiber.interrupt(reader)
      expect(seen).toMatchObject({ opened: 1, open: 0, cancelled: 1 })
    }))

  it.effect("does not resume its source after the end", () =>
    Effect.gen(function*() {
      // The only chunk is so large that the source is paused, and the source ends while it is paused.
      const source: Source.Source = (sink) => {
        let over = false
        setImmediate(() => {
          sink.data(new Uint8Array(2 * mebi))
          over = true
          sink.end()
        })
        return { resume: () => expect(over).toBe(false), cancel: () => {} }
      }
      yield* turns(1)
      expect((yield* read(Body.fromSource(source))).exit).toEqual(Exit.void)
    }))
})

describe("Body.forEachChunk", () => {
  it.effect("closes a source when it is interrupted", () =>
    Effect.gen(function*() {
      const { seen, source } = scripted(function*() {
        for (;;) yield text("x")
      }())
      const reader = yield* Effect.fork(Body.forEachChunk(Body.fromSource(source), () => {}))
      yield* turns(5)
      expect(seen.open).toBe(1)
      yield* Fiber.interrupt(reader)
      expect(seen).toMatchObject({ open: 0, cancelled: 1 })
    }))

  it.effect("fails with the failure of a source", () =>
    Effect.gen(function*() {
      const failure = new TransportError({ reason: "connection reset" })
      const { source } = scripted(byteByByte(text("hel")), failure)
      expect(yield* readEach(Body.fromSource(source))).toEqual({ passed: text("hel"), exit: Exit.fail(failure) })
    }))

  it.effect.each(kinds)(
    "dies with a defect if the function throws, for a body of $kind",
    ({ make }) =>
      Effect.gen(function*() {
        const defect = new Error("broken function")
        const exit = yield* Effect.exit(Body.forEachChunk(make(byteByByte(text("hello"))), () => {
          throw defect
        }))
        expect(exit).toEqual(Exit.die(defect))
      })
  )

  it.effect("closes a source whose reader throws", () =>
    Effect.gen(function*() {
      const { seen, source } = scripted(byteByByte(text("hello")))
      yield* Effect.exit(Body.forEachChunk(Body.fromSource(source), () => {
        throw new Error("broken function")
      }))
      yield* turns(10)
      expect(seen).toMatchObject({ open: 0, cancelled: 1, bytes: 1 })
    }))
})

describe("Body.toBytes", () => {
  const tooLarge = new SizeInvalid({ reason: "too large", limit: 5 })
  const limited = { limit: 5, onLimit: () => tooLarge }

  it.effect.each(kinds.flatMap(({ kind, make }) => [
    { kind, length: 0, make, chunks: "one" },
    { kind, length: 4, make, chunks: "one" },
    { kind, length: 5, make, chunks: "one" },
    { kind, length: 5, make, chunks: "many" },
    { kind, length: 6, make, chunks: "one" },
    { kind, length: 6, make, chunks: "many" }
  ]))("takes at most 5 bytes: $length of $kind in $chunks", ({ chunks, length, make }) =>
    Effect.gen(function*() {
      const content = text("abcdefgh").subarray(0, length)
      const exit = yield* Effect.exit(
        Body.toBytes(make(chunks === "one" ? [content] : byteByByte(content)), limited)
      )
      expect(exit).toEqual(length <= 5 ? Exit.succeed(content) : Exit.fail(tooLarge))
    }))

  it.effect("stops reading when the limit is exceeded", () =>
    Effect.gen(function*() {
      const { seen, source } = scripted(function*() {
        for (;;) yield text("x")
      }())
      expect(yield* Effect.flip(Body.toBytes(Body.fromSource(source), limited))).toBe(tooLarge)
      expect(seen).toMatchObject({ open: 0, cancelled: 1 })
      expect(seen.bytes).toBeLessThan(100)
    }))

  it.effect("does not read a body that declares a size over the limit", () =>
    Effect.gen(function*() {
      const { seen, source } = scripted([text("too large")])
      expect(yield* Effect.flip(Body.toBytes(Body.fromSource(source, { size: 9 }), limited))).toBe(tooLarge)
      expect(seen.opened).toBe(0)
    }))

  it.effect("applies the limit even if the body declares a smaller size", () =>
    Effect.gen(function*() {
      const { source } = scripted(byteByByte(text("too large")))
      expect(yield* Effect.flip(Body.toBytes(Body.fromSource(source, { size: 1 }), limited))).toBe(tooLarge)
    }))
})

describe("Body.verify", () => {
  const content = text("hello")
  const digest = Digest.fromBytes(content)
  const wrong = Digest.fromBytes(text("jello"))
  const size = content.byteLength

  const ways = kinds.flatMap(({ kind, make }) => [
    { kind, chunks: "one chunk", make: (bytes: Uint8Array, size?: number) => make([bytes], size) },
    { kind, chunks: "a chunk a byte", make: (bytes: Uint8Array, size?: number) => make(byteByByte(bytes), size) }
  ])

  const cases: ReadonlyArray<{
    readonly name: string
    readonly content: Uint8Array
    readonly expected: Body.Expected
    readonly error?: readonly [typeof DigestInvalid | typeof SizeInvalid, string]
  }> = [
    { name: "n bytes of n", content, expected: { digest, size } },
    { name: "n bytes, sha512", content, expected: { digest: Digest.fromBytes(content, "sha512"), size } },
    { name: "n bytes of unknown size", content, expected: { digest } },
    { name: "0 bytes of 0", content: text(""), expected: { digest: Digest.fromBytes(text("")), size: 0 } },
    { name: "0 bytes of unknown size", content: text(""), expected: { digest: Digest.fromBytes(text("")) } },
    {
      name: "0 bytes of n",
      content: text(""),
      expected: { digest, size },
      error: [SizeInvalid, `${digest}: content ended after 0 of the 5 bytes expected`]
    },
    {
      name: "n - 1 bytes of n",
      content: text("hell"),
      expected: { digest, size },
      error: [SizeInvalid, `${digest}: content ended after 4 of the 5 bytes expected`]
    },
    {
      name: "n - 1 bytes of unknown size",
      content: text("hell"),
      expected: { digest },
      error: [
        DigestInvalid,
        `${digest}: content does not match its digest, it has ${Digest.fromBytes(text("hell"))}`
      ]
    },
    {
      name: "n + 1 bytes of n",
      content: text("hello!"),
      expected: { digest, size },
      error: [SizeInvalid, `${digest}: content is longer than the 5 bytes expected`]
    },
    {
      name: "n bytes of 0",
      content,
      expected: { digest: Digest.fromBytes(text("")), size: 0 },
      error: [SizeInvalid, `${Digest.fromBytes(text(""))}: content is longer than the 0 bytes expected`]
    },
    {
      name: "a wrong byte",
      content: text("jello"),
      expected: { digest, size },
      error: [DigestInvalid, `${digest}: content does not match its digest, it has ${wrong}`]
    },
    {
      name: "a wrong byte in content of unknown size",
      content: text("hellO"),
      expected: { digest },
      error: [
        DigestInvalid,
        `${digest}: content does not match its digest, it has ${Digest.fromBytes(text("hellO"))}`
      ]
    },
    {
      name: "an algorithm that cannot be checked",
      content,
      expected: { digest: Digest.make("md5:5d41402abc4b2a76b9719d911017c592"), size },
      error: [
        DigestInvalid,
        "md5:5d41402abc4b2a76b9719d911017c592: digest algorithm \"md5\" is not supported"
      ]
    }
  ]

  describe.each(ways)("on $kind in $chunks", ({ kind, make }) => {
    it.effect.each(cases)("$name", ({ content, error, expected }) =>
      Effect.gen(function*() {
        const body = Body.verify(make(content), expected)
        for (const { exit, passed } of [yield* read(body), yield* readEach(body)]) {
          if (error === undefined) {
            expect({ exit, passed }).toEqual({ exit: Exit.void, passed: content })
          } else {
            const [Class, message] = error
            const found = yield* Effect.flip(exit)
            expect(found).toBeInstanceOf(Class)
            expect(found.message).toBe(message)
            if (expected.size !== undefined) {
              expect(passed.byteLength).toBeLessThan(Math.max(content.byteLength, expected.size))
            }
          }
        }
      }))

    it.effect("does not pass on the last byte if the digest is wrong and only the body's size is known", () =>
      Effect.gen(function*() {
        const { exit, passed } = yield* read(Body.verify(make(text("jello"), 5), { digest }))
        expect(yield* Effect.flip(exit)).toBeInstanceOf(DigestInvalid)
        expect(passed.byteLength).toBeLessThan(5)
      }))

    it.effect("passes on no bytes if the body declares another size than expected", () =>
      Effect.gen(function*() {
        const body = Body.verify(make(content, 5), { digest, size: 6 })
        const { exit, passed } = yield* read(body)
        expect((yield* Effect.flip(exit)).message).toBe(`${digest}: content ended after 5 of the 6 bytes expected`)
        expect(passed.byteLength).toBe(0)
        expect(body.size).toBe(6)
      }))

    it("keeps its kind and whether it is replayable, and has the expected size", () => {
      const body = Body.verify(make(content), { digest, size })
      expect({ size: body.size, replayable: body.replayable, source: body.source !== undefined }).toEqual({
        size,
        replayable: true,
        source: kind === "source"
      })
    })

    it("has the digest, also after functions that keep its bytes, and only then", () => {
      const body = Body.verify(make(content), { digest, size })
      const bodies = {
        itself: body,
        again: Body.verify(body, { digest, size }),
        inspected: Body.inspect(body, () => ({ update: () => undefined })),
        "with other errors": Body.mapError(body, (error) => error),
        "with a size": Body.withSize(body, undefined),
        transformed: Body.transform(body, () => ({})),
        "a part": Body.slice(body, { offset: 0, length: size }),
        unverified: make(content)
      }
      const digests = Object.fromEntries(Object.entries(bodies).map(([name, { digest }]) => [name, digest]))
      const { itself, again, inspected, "with other errors": mapped, "with a size": sized, ...others } = digests
      expect([itself, again, inspected, mapped, sized]).toEqual(Array(5).fill(digest))
      expect(Object.values(others)).toEqual(Array(3).fill(undefined))
      expect(bodies.again).toBe(body)
    })

    it.effect("verifies content with a digest against another digest, or another size", () =>
      Effect.gen(function*() {
        const body = Body.verify(make(content), { digest, size })
        const other = yield* read(Body.verify(body, { digest: wrong, size }))
        expect(yield* Effect.flip(other.exit)).toBeInstanceOf(DigestInvalid)
        const longer = yield* read(Body.verify(body, { digest, size: size + 1 }))
        expect(yield* Effect.flip(longer.exit)).toBeInstanceOf(SizeInvalid)
      }))
  })

  it.effect.each([
    { name: "before, within and after its bytes", chunks: ["", "he", "", "llo", "", ""], size: 5, of: "hello" },
    { name: "and nothing else", chunks: ["", "", ""], size: 0, of: "" }
  ])("is not confused by empty chunks: $name", ({ chunks, of, size }) =>
    Effect.gen(function*() {
      for (const { make } of kinds) {
        const body = Body.verify(make(chunks.map(text)), { digest: Digest.fromBytes(text(of)), size })
        expect(yield* read(body)).toEqual({ passed: text(of), exit: Exit.void })
      }
    }))

  it.effect("names the request in its errors", () =>
    Effect.gen(function*() {
      const body = Body.verify(Body.bytes(text("jello")), { digest }, { operation: "GetBlob", status: 200 })
      const error = yield* Effect.flip((yield* read(body)).exit)
      expect(error).toMatchObject({ operation: "GetBlob", reference: digest, status: 200 })
    }))

  it.effect("does not open a source if the digest algorithm is not supported", () =>
    Effect.gen(function*() {
      const { seen, source } = scripted([content])
      const { exit } = yield* readEach(
        Body.verify(Body.fromSource(source), { digest: Digest.make("md5:5d41402abc4b2a76b9719d911017c592") })
      )
      expect(Exit.isFailure(exit)).toBe(true)
      expect(seen.opened).toBe(0)
    }))

  it.effect("closes a source as soon as its content is wrong", () =>
    Effect.gen(function*() {
      const { seen, source } = scripted(function*() {
        for (;;) yield text("x")
      }())
      yield* readEach(Body.verify(Body.fromSource(source), { digest, size }))
      expect(seen).toMatchObject({ open: 0, cancelled: 1, bytes: 5 })
    }))

  it.effect("does not change a failure of the source", () =>
    Effect.gen(function*() {
      const failure = new TransportError({ reason: "connection reset" })
      const { source } = scripted(byteByByte(text("hel")), failure)
      const body = Body.verify(Body.fromSource(source), { digest, size })
      expect(yield* read(body)).toEqual({ passed: text("hel"), exit: Exit.fail(failure) })
    }))

  it.effect("keeps the backpressure of a source", () =>
    Effect.gen(function*() {
      const large = new Uint8Array(8 * mebi)
      const pieces = Array.from({ length: 128 }, (_, i) => large.subarray(i * 64 * kibi, (i + 1) * 64 * kibi))
      const { seen, source } = scripted(pieces)
      const body = Body.verify(Body.fromSource(source), { digest: Digest.fromBytes(large), size: large.byteLength })
      let taken = 0
      yield* Stream.runForEachChunk(body.stream, (chunk) => {
        for (const part of chunk) taken += part.byteLength
        return Effect.zipRight(turns(40), Effect.sync(() => expect(seen.bytes - taken).toBeLessThanOrEqual(mebi)))
      })
      expect(taken).toBe(large.byteLength)
    }))
})

describe("Body.slice", () => {
  const content = text("0123456789")

  it("returns the part of the content in the span, for every kind of body", () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 8 }), { maxLength: 6 }),
        fc.nat(40),
        fc.integer({ min: 1, max: 40 }),
        async (chunks, offset, length) => {
          const whole = joined(chunks)
          fc.pre(offset + length <= whole.byteLength)
          const part = whole.slice(offset, offset + length)
          for (const { make } of kinds) {
            const body = Body.slice(make(chunks), { offset, length })
            expect(body.size).toBe(length)
            expect(body.replayable).toBe(true)
            // Run twice: the first run must not affect the second.
            for (const run of [1, 2]) {
              expect({ run, ...(await Effect.runPromise(read(body))) }).toEqual({ run, passed: part, exit: Exit.void })
            }
          }
        }
      ),
      { numRuns: 50 }
    ))

  it.effect("reads no bytes after the span", () =>
    Effect.gen(function*() {
      const { seen, source } = scripted(byteByByte(content))
      const { passed } = yield* read(Body.slice(Body.fromSource(source), { offset: 2, length: 3 }))
      expect(passed).toEqual(text("234"))
      expect(seen).toMatchObject({ open: 0, cancelled: 1 })
      expect(seen.bytes).toBeLessThan(10)
    }))

  it.effect.each([
    { name: "before it", length: 2, passed: "" },
    { name: "within it", length: 4, passed: "23" }
  ])("fails where the content ends $name", ({ length, passed }) =>
    Effect.gen(function*() {
      const short = Body.stream(Stream.fromIterable(byteByByte(content.subarray(0, length))))
      const sliced = yield* read(Body.slice(short, { offset: 2, length: 3 }))
      expect(sliced.passed).toEqual(text(passed))
      const error = yield* Effect.flip(sliced.exit)
      expect(error).toBeInstanceOf(SizeInvalid)
      expect(error.message).toBe(`content ended after ${length} of the 5 bytes expected`)
    }))
})

describe("Body.hashed", () => {
  const content = text("hello")

  for (const algorithm of ["sha256", "sha512"] as const) {
    it(`describes its bytes as Descriptor.fromBytes does [${algorithm}]`, () => {
      const body = Body.hashed(content, algorithm)
      expect(Descriptor.fromBody(body, "text/plain")).toEqual(Descriptor.fromBytes(content, "text/plain", algorithm))
    })
  }

  it("is not hashed again when it is verified with its own digest", () => {
    const body = Body.hashed(content)
    expect(Body.verify(body, Descriptor.fromBody(body))).toBe(body)
  })

  it.effect("fails a verification with another digest or another size", () =>
    Effect.gen(function*() {
      const body = Body.hashed(content)
      for (const expected of [{ digest: Digest.fromBytes(text("jello")) }, { digest: body.digest, size: 4 }]) {
        const error = yield* Effect.flip(Body.forEachChunk(Body.verify(body, expected), () => {}))
        expect(error).toBeInstanceOf(expected.size === undefined ? DigestInvalid : SizeInvalid)
      }
    }))
})
