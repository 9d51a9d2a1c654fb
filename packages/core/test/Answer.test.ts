import { Answer, BlobContent, Body, Digest, Operation, RegistryError, RepositoryName } from "@effect-oci/core"
import type { Outcome } from "@effect-oci/core"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Chunk, Effect, Exit, Stream } from "effect"

const repository = RepositoryName.make("team/app")
const bytes = new TextEncoder().encode("content")
const descriptor = { mediaType: "application/octet-stream", digest: Digest.fromBytes(bytes), size: bytes.byteLength }
const getBlob = new Operation.GetBlob({ repository, digest: descriptor.digest })
const resolveBlob = new Operation.ResolveBlob({ repository, digest: descriptor.digest })
const listReferrers = new Operation.ListReferrers({ repository, digest: descriptor.digest })
const unknown = new RegistryError.BlobUnknown({})
const broken = new RegistryError.TransportError({})

const defect = new Error("defect")

const content = (body: Body.Body) => new BlobContent.BlobContent({ descriptor, body, verified: true })
const streamed = (fails = false) =>
  Body.stream(fails ? Stream.concat(Stream.make(bytes), Stream.fail(broken)) : Stream.make(bytes))
const native = (fails = false) =>
  Body.fromSource((sink) => {
    queueMicrotask(() => {
      sink.data(bytes)
      if (fails) sink.fail(broken)
      else sink.end()
    })
    return { resume: () => {}, cancel: () => {} }
  })

type Row<A> = readonly [name: string, value: A, expected?: unknown]

/** Rows of a table of tests, each with a name. */
const rows = <A>(...all: ReadonlyArray<Row<A>>) => all

type Any = Effect.Effect<unknown, unknown>

/** The same result, settled and as an effect that must be run. */
const both = <A, E>(exit: Exit.Exit<A, E>) => [
  { name: "a settled answer", answer: exit as Effect.Effect<A, E>, isSettled: true },
  { name: "an effect", answer: Effect.suspend(() => exit), isSettled: false }
]

describe.each(both(Exit.succeed(1)))("a success: $name", ({ answer, isSettled }) => {
  it.effect.each(rows<Any>(
    ["map", Answer.map(answer, (result) => result + 1), 2],
    ["flatMap", Answer.flatMap(answer, (result) => Answer.succeed(result + 2)), 3],
    ["tap", Answer.tap(answer, () => Answer.succeed("other")), 1],
    ["catchAll", Answer.catchAll(answer, () => Answer.succeed(9)), 1],
    ["match", Answer.match(answer, { onFailure: () => 9, onSuccess: (result) => result + 3 }), 4],
    ["matchEffect", Answer.matchEffect(answer, { onFailure: Answer.fail, onSuccess: () => Answer.succeed(5) }), 5]
  ))("%s", ([, result, expected]) =>
    Effect.gen(function*() {
      expect(Answer.settled(result) !== undefined).toBe(isSettled)
      expect(yield* result).toBe(expected)
    }))
})

describe.each(both(Exit.fail("no")))("a failure: $name", ({ answer, isSettled }) => {
  it.effect.each(rows<Any>(
    ["map", Answer.map(answer, () => 2), "no"],
    ["flatMap", Answer.flatMap(answer, () => Answer.succeed(2)), "no"],
    ["tap", Answer.tap(answer, () => Answer.succeed(2)), "no"],
    ["catchAll", Answer.catchAll(answer, (error) => Answer.fail(`${error}!`)), "no!"],
    ["match", Effect.flip(Answer.match(answer, { onFailure: (error) => error, onSuccess: () => "" })), undefined],
    ["matchEffect", Answer.matchEffect(answer, { onFailure: Answer.fail, onSuccess: Answer.succeed }), "no"]
  ))("%s", ([name, result, expected]) =>
    Effect.gen(function*() {
      if (name !== "match") expect(Answer.settled(result) !== undefined).toBe(isSettled)
      const exit = yield* Effect.exit(result)
      if (expected !== undefined) expect(exit).toStrictEqual(Exit.fail(expected))
    }))
})

describe("a defect", () => {
  it.effect.each(rows<Effect.Effect<never>>(
    ["settled", Answer.die(defect)],
    [
      "thrown",
      Answer.attempt(() => {
        throw defect
      })
    ]
  ))("passes through, %s", ([, answer]) =>
    Effect.gen(function*() {
      const cases = { onFailure: Answer.fail, onSuccess: Answer.succeed }
      for (
        const result of [Answer.map(answer, () => 1), Answer.matchEffect(answer, cases), Answer.match(answer, cases)]
      ) {
        expect(yield* Effect.exit(result)).toStrictEqual(Exit.die(defect))
      }
    }))
})

it.effect("defer calls the handler each time the answer is run", () =>
  Effect.gen(function*() {
    let calls = 0
    const answer = Answer.defer((() => Answer.succeed(++calls)) as never)(resolveBlob)
    expect(calls).toBe(0)
    expect([yield* answer, yield* answer]).toStrictEqual([1, 2])
  }))

describe("mapError", () => {
  const reason = (error: RegistryError.RegistryError) => RegistryError.withFields(error, { reason: "mapped" })

  it.effect("maps the error of the effect", () =>
    Effect.gen(function*() {
      for (const { answer, isSettled } of both(Exit.fail(unknown))) {
        const mapped = Answer.mapError(answer, resolveBlob, reason)
        expect(Answer.settled(mapped) !== undefined).toBe(isSettled)
        expect(yield* Effect.flip(mapped)).toMatchObject({ _tag: "OciBlobUnknown", reason: "mapped" })
      }
    }))

  it.effect("returns a settled value itself", () =>
    Effect.sync(() => {
      const answer = Answer.succeed(descriptor)
      expect(Answer.mapError(answer, resolveBlob, reason)).toBe(answer)
    }))

  it.effect.each(rows(["a stream", streamed(true)], ["a native source", native(true)]))(
    "maps the error of content: %s",
    ([, body]) =>
      Effect.gen(function*() {
        const mapped = yield* Answer.mapError(Answer.succeed(content(body)), getBlob, reason)
        expect(mapped.body.source === undefined).toBe(body.source === undefined)
        const error = yield* Effect.flip(Body.forEachChunk(mapped.body, () => {}))
        expect(error).toMatchObject({ _tag: "OciTransportError", reason: "mapped" })
      }).pipe(Effect.scoped)
  )

  it.effect("maps the error of a list", () =>
    Effect.gen(function*() {
      const items = yield* Answer.mapError(Answer.succeed(Stream.fail(broken)), listReferrers, reason)
      expect(yield* Effect.flip(Stream.runDrain(items))).toMatchObject({ reason: "mapped" })
    }))
})

describe("onEnd", () => {
  /** Returns an answer that reports to `ends`. */
  const observed = <O extends Operation.Operation>(operation: O, answer: Effect.Effect<unknown, unknown>) => {
    const ends: Array<readonly [Outcome.Outcome["_tag"], number | undefined]> = []
    const result = Answer.onEnd((() => answer) as never, operation, () => ({
      end: ({ amount, outcome }) => Effect.sync(() => void ends.push([outcome._tag, amount]))
    }))
    return { ends, result }
  }

  it.effect("reports a value and a failure at once", () =>
    Effect.gen(function*() {
      for (const { answer } of both(Exit.succeed(descriptor))) {
        const { ends, result } = observed(resolveBlob, answer)
        expect(yield* result).toBe(descriptor)
        expect(ends).toStrictEqual([["Success", undefined]])
      }
      for (const { answer } of both(Exit.fail(unknown))) {
        const { ends, result } = observed(resolveBlob, answer)
        expect(yield* Effect.flip(result)).toBe(unknown)
        expect(ends).toStrictEqual([["Failure", undefined]])
      }
    }))

  it.effect("reports a handler that throws as a defect", () =>
    Effect.gen(function*() {
      const ends: Array<string> = []
      const result = Answer.onEnd(
        () => {
          throw defect
        },
        resolveBlob,
        () => ({ end: ({ outcome }) => Effect.sync(() => void ends.push(outcome._tag)) })
      )
      expect(yield* Effect.exit(result)).toStrictEqual(Exit.failCause(Cause.die(defect)))
      expect(ends).toStrictEqual(["Defect"])
    }))

  it.effect("reports content in memory at once", () =>
    Effect.gen(function*() {
      const { ends, result } = observed(getBlob, Answer.succeed(content(Body.bytes(bytes))))
      yield* result
      expect(ends).toStrictEqual([["Success", bytes.byteLength]])
    }).pipe(Effect.scoped))

  it.effect.each(rows(["a stream", streamed], ["a native source", native]))(
    "reports content when its scope closes: %s",
    ([, body]) =>
      Effect.gen(function*() {
        const cases = [{ fails: false, read: true }, { fails: true, read: true }, { fails: false, read: false }]
        const outcomes: Array<unknown> = []
        for (const { fails, read } of cases) {
          const { ends, result } = observed(getBlob, Answer.succeed(content(body(fails))))
          yield* Effect.scoped(Effect.gen(function*() {
            const content = yield* result
            if (read) yield* Effect.ignore(Body.forEachChunk(content.body, () => {}))
            expect(ends).toStrictEqual([])
          }))
          outcomes.push(...ends)
        }
        expect(outcomes).toStrictEqual([["Success", 7], ["Failure", 7], ["Partial", 0]])
      })
  )

  it.effect("reports each run of a list when its stream ends", () =>
    Effect.gen(function*() {
      const { ends, result } = observed(listReferrers, Answer.succeed(Stream.fromChunk(Chunk.make(1, 2, 3))))
      const items = yield* result
      expect(ends).toStrictEqual([])
      yield* Stream.runDrain(items)
      yield* Stream.runDrain(Stream.take(items, 1))
      expect(ends).toStrictEqual([["Success", 3], ["Partial", 3]])
    }))
})
