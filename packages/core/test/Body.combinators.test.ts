import { describe, expect, it } from "@effect/vitest"
import { Chunk, Effect, Exit, Stream } from "effect"
import * as fc from "fast-check"
import * as Body from "../src/Body.js"
import * as Digest from "../src/Digest.js"
import type { RegistryError } from "../src/RegistryError.js"
import { DigestInvalid, SizeInvalid, TransportError, Unavailable } from "../src/RegistryError.js"
import * as Source from "../src/Source.js"
import { scripted } from "./scripted.js"

/** What a body yields: the bytes before its end or its failure. */
interface Yielded {
  readonly bytes: ReadonlyArray<number>
  readonly failure?: RegistryError | undefined
}

/** A combinator, and what the new body yields if the given one yields some bytes and an end or a failure. */
interface Case {
  readonly name: string
  readonly apply: (body: Body.Body, yielded: Yielded) => Body.Body
  readonly model: (yielded: Yielded) => Yielded
}

const reset = new TransportError({ reason: "connection reset" })
const mapped = new Unavailable({ reason: "mapped" })

const limit = 12

const tooShort = (of: number) => (actual: number) =>
  new SizeInvalid({ reason: `content ended after ${actual} of the ${of} bytes expected` })

const counting = (size: number) => ({ bytes, failure }: Yielded): Yielded => {
  if (bytes.length > size) {
    return { bytes, failure: new SizeInvalid({ reason: `content is longer than the ${size} bytes expected` }) }
  }
  return { bytes, failure: failure ?? (bytes.length < size ? tooShort(size)(bytes.length) : undefined) }
}

const digestOf = (bytes: ReadonlyArray<number>) => Digest.fromBytes(Uint8Array.from(bytes))

const cases: ReadonlyArray<Case> = [
  {
    name: "transform that changes nothing",
    apply: (body) => Body.transform(body, () => ({})),
    model: (yielded) => yielded
  },
  {
    name: "transform that replaces bytes",
    apply: Body.transform((sink) => ({ data: (chunk) => sink.data(chunk.map((byte) => byte + 1)) })),
    model: ({ bytes, failure }) => ({ bytes: bytes.map((byte) => (byte + 1) % 256), failure })
  },
  {
    name: "transform that drops bytes",
    apply: Body.transform((sink) => ({
      data: (chunk) => {
        const odd = chunk.filter((byte) => byte % 2 === 1)
        return odd.byteLength === 0 || sink.data(odd)
      }
    })),
    model: ({ bytes, failure }) => ({ bytes: bytes.filter((byte) => byte % 2 === 1), failure })
  },
  {
    name: "transform that ends early",
    apply: Body.transform((sink) => {
      let left = limit
      return {
        data: (chunk) => {
          const part = chunk.subarray(0, left)
          left -= part.byteLength
          const isOpen = sink.data(part)
          if (left === 0) sink.end()
          return isOpen
        }
      }
    }),
    model: ({ bytes, failure }) =>
      bytes.length < limit ? { bytes, failure } : { bytes: bytes.slice(0, limit), failure: undefined }
  },
  {
    name: "transform that ends or fails the sink at once",
    apply: (body) =>
      Body.concat([
        Body.transform(body, (sink) => {
          sink.end()
          return {}
        }),
        Body.transform(body, (sink) => {
          sink.fail(mapped)
          return {}
        })
      ]),
    model: () => ({ bytes: [], failure: mapped })
  },
  {
    name: "transform that swaps the end and the failure",
    apply: Body.transform((sink) => ({ end: () => sink.fail(mapped), fail: () => sink.end() })),
    model: ({ bytes, failure }) => ({ bytes, failure: failure === undefined ? mapped : undefined })
  },
  {
    name: "inspect",
    apply: Body.inspect(() => ({ update: () => undefined, end: () => mapped })),
    model: ({ bytes, failure }) => ({ bytes, failure: failure ?? mapped })
  },
  {
    name: "mapError",
    apply: Body.mapError(() => mapped),
    model: ({ bytes, failure }) => ({ bytes, failure: failure && mapped })
  },
  { name: "withSize", apply: Body.withSize(3), model: (yielded) => yielded },
  { name: "exactly", apply: Body.exactly(limit), model: counting(limit) },
  {
    name: "exactly, with the size that the content has",
    apply: (body, { bytes }) => Body.exactly(body, bytes.length),
    model: (yielded) => yielded
  },
  {
    name: "exactly, with an error of the caller",
    apply: Body.exactly(limit, () => mapped),
    model: (yielded) => {
      const { failure } = counting(limit)(yielded)
      return { ...yielded, failure: failure?._tag === "OciSizeInvalid" ? mapped : failure }
    }
  },
  {
    name: "verify, with the digest of the content",
    apply: (body, { bytes }) => Body.verify(body, { digest: digestOf(bytes) }),
    model: (yielded) => yielded
  },
  {
    name: "verify, with another digest",
    apply: (body, { bytes }) => Body.verify(body, { digest: digestOf([...bytes, 1]) }),
    model: ({ bytes, failure }) => ({
      bytes,
      failure: failure ?? new DigestInvalid({
        reference: digestOf([...bytes, 1]),
        reason: `content does not match its digest, it has ${digestOf(bytes)}`
      })
    })
  },
  {
    name: "slice",
    apply: Body.slice({ offset: 3, length: 9 }),
    model: ({ bytes, failure }) =>
      bytes.length >= limit
        ? { bytes: bytes.slice(3, limit) }
        : { bytes: bytes.slice(3, limit), failure: failure ?? tooShort(limit)(bytes.length) }
  },
  {
    name: "concat",
    apply: (body) => Body.concat([Body.bytes(Uint8Array.of(1, 2)), body, Body.bytes(Uint8Array.of(3)), body]),
    model: ({ bytes, failure }) =>
      failure === undefined
        ? { bytes: [1, 2, ...bytes, 3, ...bytes] }
        : { bytes: [1, 2, ...bytes], failure }
  },
  {
    name: "continueWith that opens a body after a failure",
    apply: (body) =>
      Body.continueWith(body, () => {
        let opened = 0
        return (error) =>
          error === undefined || opened++ > 0
            ? Exit.succeed(undefined)
            : Effect.as(Effect.yieldNow(), Body.bytes(Uint8Array.of(7)))
      }, Effect.runFork),
    model: ({ bytes, failure }) => ({ bytes: failure === undefined ? bytes : [...bytes, 7] })
  },
  {
    name: "continueWith that fails",
    apply: (body) =>
      Body.continueWith(body, () => (error) => Effect.fail(error === undefined ? mapped : error), Effect.runFork),
    model: ({ bytes, failure }) => ({ bytes, failure: failure ?? mapped })
  }
]

const kinds = ["memory", "source", "stream"] as const

/** Creates a body, and a function that returns how many of its sources are open. */
const make = (kind: typeof kinds[number], chunks: ReadonlyArray<Uint8Array>, failure: RegistryError | undefined) => {
  const { seen, source } = scripted(chunks, failure)
  switch (kind) {
    case "memory":
      return { body: Body.bytes(Uint8Array.from(Buffer.concat(chunks))), open: () => 0 }
    case "source":
      return { body: Body.fromSource(source, { replayable: true }), open: () => seen.open }
    case "stream": {
      const bytes = Stream.fromIterable(chunks)
      const content = failure === undefined ? bytes : Stream.concat(bytes, Stream.fail(failure))
      return { body: Body.stream(content, { replayable: true }), open: () => 0 }
    }
  }
}

/** How a consumer reads: which chunks pause the source, and for how long; and after how many chunks it cancels. */
interface Plan {
  readonly pauses: ReadonlyArray<"no" | "soon" | "later">
  readonly cancelAfter: number | undefined
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

/** Reads a source as planned. Fails if the source breaks its contract. */
const drive = async (source: Source.Source, { cancelAfter, pauses }: Plan) => {
  const bytes: Array<number> = []
  const faults: Array<string> = []
  let state: "opening" | "open" | "paused" | "over" = "opening"
  let failure: RegistryError | undefined
  let count = 0
  let done = () => {}
  const ended = new Promise<void>((resolve) => {
    done = resolve
  })
  const check = (callback: string) => {
    const isPausedData = state === "paused" && callback === "data"
    if (state === "opening" || state === "over" || isPausedData) faults.push(`${callback} while ${state}`)
  }
  const over = () => {
    state = "over"
    done()
  }
  const resume = () => {
    if (state !== "paused") return
    state = "open"
    control.resume()
  }
  const control = source({
    data: (chunk) => {
      check("data")
      bytes.push(...chunk)
      const pause = pauses[count++ % pauses.length] ?? "no"
      if (count === cancelAfter) {
        over()
        control.cancel()
        return false
      }
      if (pause === "no") return true
      state = "paused"
      if (pause === "soon") queueMicrotask(resume)
      else setImmediate(resume)
      return false
    },
    end: () => {
      check("end")
      over()
    },
    fail: (error) => {
      check("fail")
      failure = error
      over()
    }
  })
  state = "open"
  if (cancelAfter === 0) {
    over()
    control.cancel()
  }
  await ended
  for (let count = 0; count < 5; count++) await turn()
  control.resume()
  control.cancel()
  await turn()
  return { yielded: { bytes, failure }, faults }
}

/** Reads the stream of a body. */
const read = (body: Body.Body) => {
  const bytes: Array<number> = []
  return Stream.runForEachChunk(
    body.stream,
    (chunk) => Effect.sync(() => Chunk.forEach(chunk, (piece) => bytes.push(...piece)))
  ).pipe(
    Effect.match({
      onFailure: (failure): Yielded => ({ bytes, failure }),
      onSuccess: (): Yielded => ({ bytes, failure: undefined })
    }),
    Effect.runPromise
  )
}

const readEach = (body: Body.Body) => {
  const bytes: Array<number> = []
  return Body.forEachChunk(body, (chunk) => void bytes.push(...chunk)).pipe(
    Effect.match({
      onFailure: (failure): Yielded => ({ bytes, failure }),
      onSuccess: (): Yielded => ({ bytes, failure: undefined })
    }),
    Effect.runPromise
  )
}

const isPrefix = (part: ReadonlyArray<number>, whole: ReadonlyArray<number>) =>
  part.every((byte, index) => byte === whole[index])

/** Checks what was read. Before a failure, as many bytes may pass as the chunks allow. */
const expectYielded = (actual: Yielded, expected: Yielded) => {
  expect(actual.failure).toStrictEqual(expected.failure)
  if (expected.failure === undefined) expect(actual.bytes).toEqual([...expected.bytes])
  else expect(isPrefix(actual.bytes, expected.bytes)).toBe(true)
}

const content = fc.record({
  chunks: fc.array(fc.uint8Array({ maxLength: 6 }), { maxLength: 8 }),
  fails: fc.boolean()
})

const plan = fc.record({
  pauses: fc.array(fc.constantFrom<Plan["pauses"][number]>("no", "soon", "later"), { minLength: 1, maxLength: 5 }),
  cancelAfter: fc.option(fc.nat(6), { nil: undefined })
})

describe.each(cases)("Body.$name", ({ apply, model }) => {
  it("yields the same from memory, a source and a stream, at any pace, and keeps the contract of sources", () =>
    fc.assert(
      fc.asyncProperty(content, plan, async ({ chunks, fails }, plan) => {
        const given: Yielded = { bytes: chunks.flatMap((chunk) => [...chunk]), failure: fails ? reset : undefined }
        for (const kind of kinds) {
          if (kind === "memory" && fails) continue
          const { body, open } = make(kind, chunks, given.failure)
          const applied = apply(body, given)
          const expected = model(given)
          expectYielded(await read(applied), expected)
          expectYielded(await readEach(applied), expected)
          const { faults, yielded } = await drive(Body.toSource(applied, Effect.runFork), plan)
          expect(faults).toEqual([])
          if (plan.cancelAfter === undefined) expectYielded(yielded, expected)
          else expect(isPrefix(yielded.bytes, expected.bytes)).toBe(true)
          expect(open()).toBe(0)
        }
      }),
      { numRuns: 40 }
    ))

  it("keeps a native source native", () => {
    const { body } = make("source", [], undefined)
    expect(apply(body, { bytes: [] }).source).toBeDefined()
  })
})

describe("Body.fail", () => {
  it("fails, from a source and from a stream", async () => {
    expectYielded(await read(Body.fail(reset)), { bytes: [], failure: reset })
    const { faults, yielded } = await drive(Source.fail(reset), { pauses: ["no"], cancelAfter: undefined })
    expect({ faults, yielded }).toEqual({ faults: [], yielded: { bytes: [], failure: reset } })
  })
})

describe("Body.toSource", () => {
  it("passes bytes in memory in pieces of at most 64 KiB", async () => {
    const sizes: Array<number> = []
    const bytes = new Uint8Array(150 * 1024)
    await new Promise<void>((resolve) => {
      Body.toSource(Body.bytes(bytes), Effect.runFork)({
        data: (chunk) => sizes.push(chunk.byteLength) > 0,
        end: resolve,
        fail: () => resolve()
      })
    })
    expect(sizes).toEqual([64, 64, 22].map((kibi) => kibi * 1024))
  })

  it.each([
    { name: "dies", stream: Stream.die("a bug"), reason: "the body to send failed" },
    { name: "is interrupted", stream: Stream.fromEffect(Effect.interrupt), reason: "the body to send failed" }
  ])("fails with BodyFailed if the stream $name", async ({ stream }) => {
    const { yielded } = await drive(Body.toSource(Body.stream(stream), Effect.runFork), {
      pauses: ["no"],
      cancelAfter: undefined
    })
    expect(yielded.failure?._tag).toBe("OciBodyFailed")
  })

  it("interrupts the fiber that runs a stream when it is cancelled", async () => {
    let isInterrupted = false
    const slow = Stream.fromEffect(Effect.onInterrupt(Effect.never, () =>
      Effect.sync(() => {
        isInterrupted = true
      })))
    const control = Body.toSource(Body.stream(slow), Effect.runFork)({
      data: () => true,
      end: () => {},
      fail: () => {}
    })
    await turn()
    control.cancel()
    await turn()
    expect(isInterrupted).toBe(true)
  })
})

describe("Body.transform", () => {
  it("reports a stream that dies or is interrupted, and each request of the consumer for more", async () => {
    const seen: Array<string> = []
    const watched = Body.transform((sink) => ({
      data: (chunk) => {
        seen.push(`data ${chunk.byteLength}`)
        return sink.data(chunk)
      },
      resume: () => seen.push("resume"),
      die: (cause) => seen.push(cause._tag)
    }))
    const bytes = Stream.rechunk(Stream.make(Uint8Array.of(1), Uint8Array.of(2, 3)), 1)
    const exit = await Effect.runPromiseExit(
      Stream.runDrain(watched(Body.stream(Stream.concat(bytes, Stream.die("a bug")))).stream)
    )
    expect(exit).toEqual(Exit.die("a bug"))
    expect(seen).toEqual(["data 1", "resume", "data 2", "resume", "Die"])
    seen.length = 0
    await drive(watched(Body.fromSource(scripted([Uint8Array.of(1), Uint8Array.of(2)]).source)).source!, {
      pauses: ["later", "no"],
      cancelAfter: undefined
    })
    expect(seen).toEqual(["data 1", "resume", "data 1"])
  })
})

describe("release", () => {
  const chunk = new Uint8Array(8)
  /** Returns the chunks that a source receives back, if the consumer releases each chunk. */
  const releasedBy = async (through: (body: Body.Body) => Body.Body) => {
    const back: Array<Uint8Array> = []
    const source = Body.fromSource((sink) => {
      queueMicrotask(() => {
        sink.data(chunk)
        queueMicrotask(sink.end)
      })
      return { resume: () => {}, cancel: () => {}, release: (chunk) => void back.push(chunk) }
    }, { size: 8 })
    const fork = Effect.runSync(Source.fork)
    await new Promise<void>((resolve, reject) => {
      const control = Body.toSource(through(source), fork)({
        data: (chunk) => {
          control.release?.(chunk)
          return true
        },
        end: resolve,
        fail: reject
      })
    })
    return back.map(({ buffer }) => buffer)
  }

  it.each<[string, (body: Body.Body) => Body.Body]>([
    ["nothing between", (body) => body],
    ["a mapped error", Body.mapError((error) => error)],
    ["a check of the size", Body.exactly(8)],
    ["a check of the digest", Body.verify({ digest: Digest.fromBytes(chunk) })],
    ["a slice", Body.slice({ offset: 0, length: 4 })],
    [
      "a transformer that keeps nothing",
      Body.transform((sink) => ({ keepsNothing: true, data: (chunk) => sink.data(chunk) }))
    ]
  ])("gives a chunk back to its source through %s", async (_, through) => {
    expect(await releasedBy(through)).toEqual([chunk.buffer])
  })

  it("gives no chunk back through a transformer that may keep it", async () => {
    expect(await releasedBy(Body.transform((sink) => ({ data: (chunk) => sink.data(chunk) })))).toEqual([])
    expect(await releasedBy(Body.inspect(() => ({ update: () => undefined })))).toEqual([])
  })
})

describe("Body.concatBytes", () => {
  it("joins chunks, and returns a single one without a copy", () => {
    const one = Uint8Array.of(1, 2)
    expect(Body.concatBytes([])).toEqual(new Uint8Array(0))
    expect(Body.concatBytes([one])).toBe(one)
    expect(Body.concatBytes([one, Uint8Array.of(3)])).toEqual(Uint8Array.of(1, 2, 3))
  })
})
