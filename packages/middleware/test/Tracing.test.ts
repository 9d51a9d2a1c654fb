import { Answer, BlobContent, Body, Caller, Handler, Operation, Registry, RegistryError } from "@effect-oci/core"
import * as samples from "@effect-oci/testing/RegistrySamples"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Layer, Option, Stream, TestClock, Tracer } from "effect"
import { inspect } from "node:util"
import { Logging, Tracing } from "../src/index.js"
import * as laws from "./laws.js"
import * as secrets from "./secrets.js"

interface Seen {
  readonly name: string
  readonly kind: Tracer.SpanKind
  readonly parent: string | undefined
  readonly startTime: bigint
  readonly attributes: Map<string, unknown>
  readonly events: Array<string>
  ended: { readonly time: bigint; readonly exit: Exit.Exit<unknown, unknown> } | undefined
}

/** A tracer that stores its spans. */
const keeping = (spans: Array<Seen>) =>
  Tracer.make({
    context: (f) => f(),
    span: (name, parent, context, links, startTime, kind) => {
      const seen: Seen = {
        name,
        kind,
        parent: Option.getOrUndefined(parent)?.spanId,
        startTime,
        attributes: new Map(),
        events: [],
        ended: undefined
      }
      spans.push(seen)
      return {
        _tag: "Span",
        name,
        spanId: name,
        traceId: "trace",
        parent,
        context,
        links: [...links],
        sampled: true,
        kind,
        attributes: seen.attributes,
        status: { _tag: "Started", startTime },
        end: (time, exit) => {
          expect(seen.ended).toBeUndefined()
          seen.ended = { time, exit }
        },
        attribute: (key, value) => void seen.attributes.set(key, value),
        event: (name) => void seen.events.push(name),
        addLinks: () => {}
      }
    }
  })

const traced = (handle: Handler.Handler, options?: Tracing.Options) => Tracing.middleware(options)(handle)

/** Returns the spans that an effect creates. */
const spansOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const spans: Array<Seen> = []
    return Effect.as(Effect.withTracer(Effect.exit(effect), keeping(spans)), spans)
  })

/** Returns the only span of an operation whose result is read to its end. */
const spanOf = (handle: Handler.Handler, operation: Operation.Operation, options?: Tracing.Options) =>
  Effect.map(spansOf(samples.answerOf(traced(handle, options), operation)), (spans) => {
    expect(spans).toHaveLength(1)
    expect(spans[0]!.ended).toBeDefined()
    return spans[0]!
  })

const attributesOf = ({ attributes }: Seen) => Object.fromEntries(attributes)

const { digest, repository, tag } = samples
const size = samples.bytes.byteLength
const within = { "oci.repository": repository }
const blob = { ...within, "oci.blob.digest": digest }
const manifest = { ...within, "oci.manifest.digest": digest }

const expected: { readonly [Tag in Operation.OperationTag]: object } = {
  ResolveBlob: blob,
  GetBlob: { ...blob, "oci.bytes": size },
  ResolveManifest: { ...within, "oci.tag": tag },
  GetManifest: { ...manifest, "oci.bytes": size },
  PushBlob: { ...blob, "oci.bytes": size },
  MountBlob: blob,
  StartUpload: within,
  GetUpload: within,
  AppendUpload: { ...within, "oci.bytes": size },
  CompleteUpload: { ...blob, "oci.bytes": size },
  CancelUpload: within,
  PushManifest: { ...manifest, "oci.bytes": size },
  DeleteBlob: blob,
  DeleteManifest: manifest,
  DeleteTag: { ...within, "oci.tag": tag },
  ListRepositories: { "oci.items": 1 },
  ListTags: { ...within, "oci.items": 2 },
  ListReferrers: { ...manifest, "oci.items": 1 }
}

const rows = samples.tags.map((tag) => ({ tag, operation: samples.operations[tag] }))

describe("Tracing", () => {
  describe.each([
    { name: "an exit", answered: (handle: Handler.Handler) => handle },
    { name: "an effect", answered: samples.suspended }
  ])("a span for each operation, answered by $name", ({ answered }) => {
    it.effect.each(rows)("$tag", ({ operation, tag }) =>
      Effect.gen(function*() {
        const span = yield* spanOf(answered(samples.known), operation)
        expect(span).toMatchObject({ name: `oci.${tag}`, kind: "internal" })
        expect(attributesOf(span)).toEqual({ "oci.operation": tag, ...expected[tag], "oci.outcome": "Success" })
        expect(span.ended?.exit).toEqual(Exit.void)
      }))
  })

  it.effect("uses the kind and the attributes of the options", () =>
    Effect.gen(function*() {
      const attributes = { "server.address": "ghcr.io", "server.port": 443 }
      const span = yield* spanOf(samples.known, samples.operations.ResolveBlob, { kind: "client", attributes })
      expect(span.kind).toBe("client")
      expect(attributesOf(span)).toMatchObject(attributes)
    }))

  it.effect("contains the name of the caller, escaped", () =>
    Effect.gen(function*() {
      const ask = spanOf(samples.known, samples.operations.ResolveBlob)
      const span = yield* Effect.provideService(ask, Caller.Caller, {
        name: "al\u001bice",
        claims: { token: "SECRET" }
      })
      expect(attributesOf(span)).toMatchObject({ "enduser.id": "al\\u001bice" })
      expect(inspect(span, { depth: 9 })).not.toContain("SECRET")
    }))

  it.effect("fails the span of a failure, with its tag and status", () =>
    Effect.gen(function*() {
      const error = new RegistryError.Denied({ ...Operation.errorFields(samples.operations.GetManifest), status: 403 })
      const span = yield* spanOf(samples.always(Effect.fail(error)), samples.operations.GetManifest)
      expect(attributesOf(span)).toMatchObject({
        "oci.outcome": "Failure",
        "error.type": "OciDenied",
        "http.response.status_code": 403
      })
      const [failure] = Cause.prettyErrors(Exit.isFailure(span.ended!.exit) ? span.ended!.exit.cause : Cause.empty)
      expect(failure).toMatchObject({ name: "OciDenied", message: error.message })
    }))

  it.effect("ends the span of a defect with a defect, and of an interruption without a failure", () =>
    Effect.gen(function*() {
      const died = yield* spanOf(samples.always(Effect.die(new TypeError("broken"))), samples.operations.ResolveBlob)
      expect(attributesOf(died)).toMatchObject({ "oci.outcome": "Defect", "error.type": "_OTHER" })
      expect(Exit.isFailure(died.ended!.exit) && Cause.isDie(died.ended!.exit.cause)).toBe(true)
      const stopped = yield* spanOf(samples.always(Effect.interrupt), samples.operations.ResolveBlob)
      expect(attributesOf(stopped)).toMatchObject({ "oci.outcome": "Interrupted" })
      expect(Exit.isInterrupted(stopped.ended!.exit)).toBe(true)
    }))

  it.effect("returns the error unchanged", () =>
    Effect.gen(function*() {
      const error = new RegistryError.Denied({ reason: "because", detail: { a: 1 } })
      const failed = yield* Effect.flip(traced(samples.always(Answer.fail(error)))(samples.operations.PushBlob))
      expect(failed).toBe(error)
    }))

  describe("runs work for an operation within its span", () => {
    const asking = Effect.withSpan(Effect.void, "request")
    const requests = (spans: ReadonlyArray<Seen>) => spans.filter(({ name }) => name === "request")
    const parents: ReadonlyArray<{ name: string; base: Partial<Handler.Table>; operation: Operation.Operation }> = [
      {
        name: "for its answer",
        base: { ResolveBlob: () => Effect.as(asking, samples.descriptor) },
        operation: samples.operations.ResolveBlob
      },
      {
        name: "for its list, page by page",
        base: { ListTags: () => Effect.succeed(Stream.mapEffect(Stream.make(tag), () => Effect.as(asking, tag))) },
        operation: samples.operations.ListTags
      },
      {
        name: "for its content",
        base: {
          GetBlob: () =>
            Effect.succeed(
              new BlobContent.BlobContent({
                ...samples.streamed,
                body: Body.stream(Stream.mapEffect(Stream.make(samples.bytes), (bytes) => Effect.as(asking, bytes)))
              })
            )
        },
        operation: samples.operations.GetBlob
      }
    ]
    it.effect.each(parents)("$name", ({ base, operation }) =>
      Effect.gen(function*() {
        const handle = traced(Handler.override(samples.known, base))
        const spans = yield* spansOf(Effect.withSpan(samples.answerOf(handle, operation), "program"))
        expect(requests(spans)).toMatchObject([{ parent: `oci.${operation._tag}` }])
        expect(spans.find(({ name }) => name.startsWith("oci."))).toMatchObject({ parent: "program" })
      }))

    it.effect("runs loggers within the span", () =>
      Effect.gen(function*() {
        const handle = traced(Logging.middleware()(samples.suspended(samples.known)))
        const spans = yield* spansOf(samples.answerOf(handle, samples.operations.ResolveBlob))
        expect(spans).toMatchObject([{ events: ["ResolveBlob"] }])
      }))

    it.effect("keeps native sources native", () =>
      Effect.gen(function*() {
        const native = Handler.override(samples.known, { GetBlob: () => Effect.succeed(samples.native) })
        const { body } = yield* Effect.scoped(traced(native)(samples.operations.GetBlob))
        expect(body.source).toBeDefined()
      }))
  })

  describe("content and lists", () => {
    it.effect("ends the span when the content has been read, not with the scope", () =>
      Effect.gen(function*() {
        const slow = Stream.concat(
          Stream.make(samples.bytes),
          Stream.drain(Stream.fromEffect(Effect.sleep("3 seconds")))
        )
        const content = new BlobContent.BlobContent({ ...samples.streamed, body: Body.stream(slow) })
        const handle = traced(Handler.override(samples.known, { GetBlob: () => Effect.succeed(content) }))
        const read = Effect.flatMap(handle(samples.operations.GetBlob), ({ stream }) => Stream.runDrain(stream))
        const fiber = yield* Effect.fork(spansOf(Effect.scoped(Effect.zipRight(read, Effect.sleep("1 minute")))))
        yield* TestClock.adjust("2 minutes")
        const [span] = yield* Fiber.join(fiber)
        expect(span!.ended!.time - span!.startTime).toBe(3_000_000_000n)
      }))

    it.effect("marks content that is not read as partial", () =>
      Effect.gen(function*() {
        const [span] = yield* spansOf(Effect.scoped(traced(samples.known)(samples.operations.GetBlob)))
        expect(attributesOf(span!)).toMatchObject({ "oci.outcome": "Partial", "oci.bytes": 0 })
      }))

    it.effect("creates a span for each run of a list", () =>
      Effect.gen(function*() {
        const spans = yield* spansOf(Effect.gen(function*() {
          const tags = yield* traced(samples.known)(samples.operations.ListTags)
          yield* Stream.runDrain(tags)
          yield* Stream.runDrain(Stream.take(tags, 1))
        }))
        expect(spans.map((span) => attributesOf(span)["oci.outcome"])).toEqual(["Success", "Partial"])
        expect(spans.every(({ ended }) => ended !== undefined)).toBe(true)
      }))
  })

  it.effect("obeys Effect's settings for tracing", () =>
    Effect.gen(function*() {
      const ask = traced(samples.known)(samples.operations.ResolveBlob)
      expect(yield* spansOf(Effect.withTracerEnabled(ask, false))).toEqual([])
      yield* TestClock.adjust("1 minute")
      expect(yield* spansOf(Effect.withTracerTiming(ask, false))).toMatchObject([{
        startTime: 0n,
        ended: { time: 0n }
      }])
    }))

  describe("secrets", () => {
    /** Returns everything that an exporter could write. */
    const written = (spans: ReadonlyArray<Seen>) =>
      spans.map((span) =>
        [
          inspect(span, { depth: 20, showHidden: true }),
          ...span.ended === undefined || Exit.isSuccess(span.ended.exit)
            ? []
            : [Cause.pretty(span.ended.exit.cause, { renderErrorCause: true })]
        ].join("\n")
      ).join("\n")

    it.effect.each(secrets.faults)("in $name", ({ fault }) =>
      Effect.gen(function*() {
        const handle = traced(samples.always(fault))
        const spans = yield* spansOf(Effect.forEach(secrets.uploads, (each) => samples.answerOf(handle, each)))
        expect(spans).toHaveLength(secrets.uploads.length)
        expect(written(spans)).toContain("oci.AppendUpload")
        expect(written(spans)).not.toContain("CANARY")
        expect(written(spans)).not.toContain("\u001b")
      }))

    it.effect("in the result", () =>
      Effect.gen(function*() {
        const ask = Effect.forEach(rows, ({ operation }) => samples.answerOf(traced(samples.known), operation))
        expect(written(yield* spansOf(ask))).not.toContain("CANARY")
      }))
  })

  it.effect("traces twice if a layer is used twice", () =>
    Effect.gen(function*() {
      const wrap = Tracing.wrap()
      const registry = Registry.layerHandler(samples.known).pipe(wrap, wrap)
      const ask = Effect.flatMap(Registry, ({ deleteTag }) => deleteTag(repository, tag))
      expect(yield* spansOf(Effect.provide(ask, registry))).toHaveLength(2)
      const layered = Layer.provide(Tracing.layer(), Registry.layerHandler(samples.known))
      expect(yield* spansOf(Effect.provide(ask, layered))).toHaveLength(1)
    }))

  it("changes nothing", () => laws.same(Tracing.middleware(), (next) => next))
})
