import { BlobContent, Body, Caller, Handler, Operation, Registry, RegistryError } from "@effect-oci/core"
import * as samples from "@effect-oci/testing/RegistrySamples"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, HashMap, Layer, Logger, LogLevel, Stream, TestClock } from "effect"
import type { Console } from "effect"
import * as fc from "fast-check"
import { inspect } from "node:util"
import { Logging, ReadOnly } from "../src/index.js"
import { faults, uploads } from "./secrets.js"

interface Line {
  readonly level: string
  readonly message: unknown
  readonly [annotation: string]: unknown
}

/** A logger that stores its lines, except for Effect's own lines about failed fibers. */
const keeping = (lines: Array<Line>, least: LogLevel.LogLevel = LogLevel.All) =>
  Layer.merge(
    Logger.replace(
      Logger.defaultLogger,
      Logger.make<unknown, void>(({ annotations, logLevel, message }) => {
        if (message === "Fiber terminated with an unhandled error") return
        lines.push({
          level: logLevel.label,
          message: Array.isArray(message) && message.length === 1 ? message[0] : message,
          ...Object.fromEntries(HashMap.toEntries(annotations))
        })
      })
    ),
    Logger.minimumLogLevel(least)
  )

/** Returns the lines that an effect writes. */
const linesOf = <A, E, R>(effect: Effect.Effect<A, E, R>, least?: LogLevel.LogLevel) =>
  Effect.suspend(() => {
    const lines: Array<Line> = []
    return Effect.as(Effect.provide(Effect.exit(effect), keeping(lines, least)), lines)
  })

const logged = (handle: Handler.Handler, options?: Logging.Options) => Logging.middleware(options)(handle)

/** Returns the only line of an operation whose result is read to its end. */
const lineOf = (handle: Handler.Handler, operation: Operation.Operation, options?: Logging.Options) =>
  Effect.map(linesOf(samples.answerOf(logged(handle, options), operation)), (lines) => {
    expect(lines).toHaveLength(1)
    return lines[0]!
  })

/** Returns what Effect's loggers write to the console. */
const consoleOf = <A, E, R>(effect: Effect.Effect<A, E, R>, logger: Layer.Layer<never>) =>
  Effect.suspend(() => {
    const written: Array<string> = []
    const unsafe = new Proxy(globalThis.console, {
      get: (_, method) =>
        method === "group" || method === "groupEnd" ?
          () => {} :
          (...parts: ReadonlyArray<unknown>) =>
            void written.push(parts.map((part) => typeof part === "string" ? part : inspect(part)).join(" "))
    })
    const kept = new Proxy({} as Console.Console, { get: (_, field) => field === "unsafe" ? unsafe : undefined })
    return Effect.map(
      Effect.withConsole(Effect.provide(effect, logger), kept),
      () => written.join("\n")
    )
  })

// oxlint-disable-next-line no-control-regex
const color = /\u001b\[[0-9;]*m/g

const { digest, repository, tag } = samples
const size = samples.bytes.byteLength
const success = { level: "INFO", outcome: "Success", durationMillis: 0 }

const expected: { readonly [Tag in Operation.OperationTag]: Line } = {
  ResolveBlob: { ...success, message: "ResolveBlob", repository, reference: digest },
  GetBlob: { ...success, message: "GetBlob", repository, reference: digest, bytes: size },
  ResolveManifest: { ...success, message: "ResolveManifest", repository, reference: tag },
  GetManifest: { ...success, message: "GetManifest", repository, reference: digest, bytes: size },
  PushBlob: { ...success, message: "PushBlob", repository, reference: digest, bytes: size },
  MountBlob: { ...success, message: "MountBlob", repository, reference: digest },
  StartUpload: { ...success, message: "StartUpload", repository },
  GetUpload: { ...success, message: "GetUpload", repository },
  AppendUpload: { ...success, message: "AppendUpload", repository, bytes: size },
  CompleteUpload: { ...success, message: "CompleteUpload", repository, reference: digest, bytes: size },
  CancelUpload: { ...success, message: "CancelUpload", repository },
  PushManifest: { ...success, message: "PushManifest", repository, reference: digest, bytes: size },
  DeleteBlob: { ...success, message: "DeleteBlob", repository, reference: digest },
  DeleteManifest: { ...success, message: "DeleteManifest", repository, reference: digest },
  DeleteTag: { ...success, message: "DeleteTag", repository, reference: tag },
  ListRepositories: { ...success, message: "ListRepositories", count: 1 },
  ListTags: { ...success, message: "ListTags", repository, count: 2 },
  ListReferrers: { ...success, message: "ListReferrers", repository, reference: digest, count: 1 }
}

const rows = samples.tags.map((tag) => ({ tag, operation: samples.operations[tag] }))

const bases = [
  { name: "an exit", answered: (handle: Handler.Handler) => handle },
  { name: "an effect", answered: samples.suspended }
]

describe("Logging", () => {
  describe.each(bases)("a line for each operation, answered by $name", ({ answered }) => {
    it.effect.each(rows)("$tag", ({ operation, tag }) =>
      Effect.gen(function*() {
        expect(yield* lineOf(answered(samples.known), operation)).toStrictEqual(expected[tag])
      }))

    it.effect.each(rows)("$tag, failed", ({ operation, tag }) =>
      Effect.gen(function*() {
        const { bytes: _bytes, count: _count, ...line } = expected[tag]
        const error = new RegistryError.NameUnknown(Operation.errorFields(operation))
        const failing = samples.always(Effect.fail(error))
        expect(yield* lineOf(answered(failing), operation)).toStrictEqual({
          ...line,
          outcome: "Failure",
          error: "OciNameUnknown",
          errorMessage: error.message
        })
      }))
  })

  it.effect("writes how long the operation took", () =>
    Effect.gen(function*() {
      const slow: Handler.Handler = (operation) => Effect.delay(samples.known(operation), "1500 millis")
      const fiber = yield* Effect.fork(lineOf(slow, samples.operations.ResolveBlob))
      yield* TestClock.adjust("2 seconds")
      expect(yield* Fiber.join(fiber)).toStrictEqual({ ...expected.ResolveBlob, durationMillis: 1500 })
    }))

  it.effect("writes the caller of the operation", () =>
    Effect.gen(function*() {
      const registry = Layer.provide(Logging.layer(), Registry.layerHandler(samples.known))
      const lines = yield* linesOf(
        Effect.gen(function*() {
          const { resolveBlob, listTags } = yield* Registry
          const resolve = resolveBlob(repository, digest)
          yield* resolve
          yield* Effect.provideService(resolve, Caller.Caller, { name: "alice", claims: { token: "SECRET" } })
          yield* Effect.provideService(Stream.runDrain(listTags(repository)), Caller.Caller, {
            name: "bob",
            claims: {}
          })
        }).pipe(Effect.provide(registry), Effect.provideService(Caller.Caller, { name: "carol", claims: {} }))
      )
      expect(lines.map((line) => line["caller"])).toEqual(["carol", "alice", "bob"])
      expect(JSON.stringify(lines)).not.toContain("SECRET")
    }))

  it.effect("keeps existing annotations", () =>
    Effect.gen(function*() {
      const resolve = Effect.annotateLogs(logged(samples.known)(samples.operations.ResolveBlob), "request", 7)
      expect(yield* linesOf(resolve)).toStrictEqual([{ ...expected.ResolveBlob, request: 7 }])
    }))

  describe("levels", () => {
    const fields = Operation.errorFields(samples.operations.GetManifest)
    const failures: ReadonlyArray<{ name: string; error: RegistryError.RegistryError; level: string }> = [
      { name: "not found", error: new RegistryError.ManifestUnknown(fields), level: "INFO" },
      { name: "denied", error: new RegistryError.Denied(fields), level: "INFO" },
      { name: "off", error: new RegistryError.Unsupported(fields), level: "INFO" },
      {
        name: "unknown code",
        error: new RegistryError.UnknownCode({ ...fields, code: "X", status: 418 }),
        level: "INFO"
      },
      { name: "refused by a wrapper", error: new RegistryError.Refused({ ...fields, by: "x" }), level: "INFO" },
      { name: "the caller's body", error: new RegistryError.BodyFailed(fields), level: "INFO" },
      { name: "unreachable", error: new RegistryError.TransportError(fields), level: "WARN" },
      { name: "not available", error: new RegistryError.Unavailable(fields), level: "WARN" },
      { name: "too many requests", error: new RegistryError.TooManyRequests(fields), level: "WARN" },
      {
        name: "status 500",
        error: new RegistryError.UnknownCode({ ...fields, code: "X", status: 500 }),
        level: "WARN"
      },
      { name: "an answer against the protocol", error: new RegistryError.ResponseInvalid(fields), level: "WARN" },
      { name: "a realm not trusted", error: new RegistryError.RealmRefused({ ...fields, realm: "x" }), level: "WARN" },
      { name: "credentials", error: new RegistryError.CredentialError(fields), level: "WARN" },
      { name: "a conflict", error: new RegistryError.TagConflict({ ...fields, tag, members: [] }), level: "WARN" },
      { name: "partly failed", error: new RegistryError.PartialFailure({ ...fields, outcomes: [] }), level: "WARN" },
      { name: "other content than asked for", error: new RegistryError.DigestInvalid(fields), level: "WARN" }
    ]
    it.effect.each(failures)("$name: $level", ({ error, level }) =>
      Effect.gen(function*() {
        const line = yield* lineOf(samples.always(Effect.fail(error)), samples.operations.GetManifest)
        expect(line).toMatchObject({ level, outcome: "Failure", error: error._tag, errorMessage: error.message })
      }))

    it.effect("wrong content of a push: INFO", () =>
      Effect.gen(function*() {
        const failing = samples.always(Effect.fail(new RegistryError.DigestInvalid(fields)))
        expect(yield* lineOf(failing, samples.operations.PushBlob)).toMatchObject({ level: "INFO" })
      }))

    it.effect.each<{ name: string; level: LogLevel.LogLevel; lines: ReadonlyArray<string> }>([
      { name: "Debug", level: LogLevel.Debug, lines: ["DEBUG", "WARN", "ERROR"] },
      { name: "Warning", level: LogLevel.Warning, lines: ["WARN", "WARN", "ERROR"] },
      { name: "Fatal", level: LogLevel.Fatal, lines: ["FATAL", "FATAL", "FATAL"] }
    ])("uses the level $name as the minimum of all lines", ({ level, lines }) =>
      Effect.gen(function*() {
        const operation = samples.operations.GetManifest
        const fault = samples.always(Effect.fail(new RegistryError.Unavailable(fields)))
        const all = yield* Effect.all([
          lineOf(samples.known, operation, { level }),
          lineOf(fault, operation, { level }),
          lineOf(samples.always(Effect.die("broken")), operation, { level })
        ])
        expect(all.map((line) => line.level)).toEqual(lines)
      }))

    it.effect("writes no line below the minimum log level", () =>
      Effect.gen(function*() {
        const ask = Effect.exit(Effect.scoped(logged(samples.known)(samples.operations.GetBlob)))
        expect(yield* linesOf(ask, LogLevel.Warning)).toEqual([])
        const fault = samples.always(Effect.fail(new RegistryError.Unavailable(fields)))
        expect(yield* linesOf(samples.answerOf(logged(fault), samples.operations.GetBlob), LogLevel.Warning))
          .toMatchObject([{ level: "WARN" }])
      }))
  })

  describe("defects", () => {
    it.effect.each<{ name: string; base: Handler.Handler; error: string; errorMessage: string }>([
      {
        name: "an error",
        base: samples.always(Effect.die(new TypeError("no such field"))),
        error: "TypeError",
        errorMessage: "no such field"
      },
      {
        name: "thrown by the handler itself",
        base: () => {
          throw new RangeError("out of range")
        },
        error: "RangeError",
        errorMessage: "out of range"
      },
      {
        name: "an error whose message is not a string",
        base: samples.always(Effect.die(Object.assign(new Error(), { message: undefined }))),
        error: "Error",
        errorMessage: "undefined"
      },
      { name: "a text", base: samples.always(Effect.die("broken")), error: "Defect", errorMessage: "broken" },
      {
        name: "an object, which may hold anything",
        base: samples.always(Effect.die(Object.create(null))),
        error: "Defect",
        errorMessage: "object"
      }
    ])("$name", ({ base, error, errorMessage }) =>
      Effect.gen(function*() {
        const operation = samples.operations.ResolveBlob
        expect(yield* lineOf(base, operation)).toStrictEqual({
          ...expected.ResolveBlob,
          level: "ERROR",
          outcome: "Defect",
          error,
          errorMessage
        })
        const plain = Effect.exit(Effect.suspend(() => base(operation)))
        expect(yield* Effect.exit(logged(base)(operation))).toEqual(yield* plain)
      }))
  })

  describe("changes nothing", () => {
    const same = (name: string, base: (operation: Operation.Operation) => Handler.Handler) =>
      it(name, () =>
        fc.assert(fc.asyncProperty(samples.anyOperation, async (operation) => {
          const handle = base(operation)
          const [plain, wrapped, twice] = await Effect.runPromise(Effect.provide(
            Effect.all([
              samples.answerOf(handle, operation),
              samples.answerOf(logged(handle), operation),
              samples.answerOf(logged(logged(handle)), operation)
            ]),
            keeping([])
          ))
          expect(wrapped).toEqual(plain)
          expect(twice).toEqual(plain)
        })))
    const error = (operation: Operation.Operation) =>
      Effect.fail(new RegistryError.Denied({ ...Operation.errorFields(operation), reason: "because", status: 403 }))
    same("of what is answered", () => samples.known)
    same("of what is answered by an effect", () => samples.suspended(samples.known))
    same(
      "of content from a native end",
      () => Handler.override(samples.known, { GetBlob: () => Effect.succeed(samples.native) })
    )
    same("of failures", (operation) => samples.always(error(operation)))
    same("of failures of an effect", (operation) => samples.suspended(samples.always(error(operation))))
    same("of defects", () => samples.always(Effect.die("broken")))

    it.effect("forwards the same operation and returns the same error", () =>
      Effect.gen(function*() {
        const seen: Array<Operation.Operation> = []
        const error = new RegistryError.Denied({ reason: "because" })
        const base: Handler.Handler = (operation) => {
          seen.push(operation)
          return Effect.fail(error)
        }
        const operation = samples.operations.PushBlob
        expect(yield* Effect.flip(logged(base)(operation))).toBe(error)
        expect(seen[0]).toBe(operation)
      }))
  })

  it.effect("writes that a waiting operation was interrupted", () =>
    Effect.gen(function*() {
      const lines = yield* linesOf(Effect.gen(function*() {
        const fiber = yield* Effect.fork(logged(samples.always(Effect.never))(samples.operations.ResolveBlob))
        yield* TestClock.adjust("30 millis")
        yield* Fiber.interrupt(fiber)
      }))
      expect(lines).toStrictEqual([{ ...expected.ResolveBlob, outcome: "Interrupted", durationMillis: 30 }])
    }))

  describe("content and lists", () => {
    const broken = new RegistryError.TransportError({ operation: "GetBlob", repository, reason: "connection reset" })
    const breaking = Handler.override(samples.known, {
      GetBlob: () =>
        Effect.succeed(
          new BlobContent.BlobContent({
            ...samples.streamed,
            body: Body.stream(Stream.concat(Stream.make(samples.bytes.subarray(0, 5)), Stream.fail(broken)))
          })
        ),
      ListTags: () => Effect.succeed(Stream.concat(Stream.make(tag), Stream.fail(broken)))
    })
    const failure = { level: "WARN", outcome: "Failure", error: "OciTransportError", errorMessage: broken.message }

    it.effect("writes how many bytes were read before a body broke", () =>
      Effect.gen(function*() {
        expect(yield* lineOf(breaking, samples.operations.GetBlob))
          .toStrictEqual({ ...expected.GetBlob, ...failure, bytes: 5 })
      }))

    it.effect("writes how many items were read before a list broke", () =>
      Effect.gen(function*() {
        expect(yield* lineOf(breaking, samples.operations.ListTags))
          .toStrictEqual({ ...expected.ListTags, ...failure, count: 1 })
      }))

    it.effect("writes a line for content that is not read", () =>
      Effect.gen(function*() {
        const lines = yield* linesOf(Effect.scoped(logged(samples.known)(samples.operations.GetBlob)))
        expect(lines).toStrictEqual([{ ...expected.GetBlob, outcome: "Partial", bytes: 0 }])
      }))

    it.effect("writes the annotations of the call in the line of content", () =>
      Effect.gen(function*() {
        const get = Effect.annotateLogs(logged(samples.known)(samples.operations.GetBlob), "request", 7)
        const lines = yield* linesOf(Effect.scoped(Effect.flatMap(get, (content) => Stream.runDrain(content.stream))))
        expect(lines).toStrictEqual([{ ...expected.GetBlob, request: 7 }])
      }))
  })

  describe("secrets", () => {
    const loggers = [
      { name: "pretty", logger: Logger.pretty },
      { name: "logfmt", logger: Logger.logFmt },
      { name: "json", logger: Logger.json },
      { name: "structured", logger: Logger.structured }
    ]
    it("tests operations on uploads", () => {
      expect(uploads.map(({ _tag }) => _tag)).toEqual(["GetUpload", "AppendUpload", "CompleteUpload", "CancelUpload"])
    })

    describe.each(loggers)("writes no secret and no control character with the logger $name", ({ logger }) => {
      it.effect.each(faults)("in $name", ({ fault }) =>
        Effect.gen(function*() {
          const written = yield* consoleOf(
            Effect.forEach(uploads, (operation) => samples.answerOf(logged(samples.always(fault)), operation)),
            logger
          )
          expect(written).toContain("AppendUpload")
          expect(written).not.toContain("CANARY")
          // oxlint-disable-next-line no-control-regex
          expect(written.replaceAll(color, "")).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/)
        }))

      it.effect("in the result", () =>
        Effect.gen(function*() {
          const ask = Effect.forEach(rows, ({ operation }) => samples.answerOf(logged(samples.known), operation))
          const written = yield* consoleOf(ask, logger)
          expect(written).toContain("StartUpload")
          expect(written).not.toContain("CANARY")
        }))
    })

    it.effect("escapes the name of the caller", () =>
      Effect.gen(function*() {
        const ask = Effect.provideService(
          logged(samples.known)(samples.operations.ResolveBlob),
          Caller.Caller,
          { name: "al\u001b[2Jice", claims: {} }
        )
        expect(yield* linesOf(ask)).toMatchObject([{ caller: "al\\u001b[2Jice" }])
      }))
  })

  describe("layers", () => {
    const base = Registry.layerHandler(samples.known)
    const ask = Effect.flatMap(Registry, (registry) => registry.deleteTag(repository, tag))

    it.effect("makes the last wrapper of a pipe the outermost", () =>
      Effect.gen(function*() {
        const outside = base.pipe(ReadOnly.wrap(), Logging.wrap())
        const inside = base.pipe(Logging.wrap(), ReadOnly.wrap())
        expect(yield* linesOf(Effect.provide(ask, outside))).toMatchObject([{ error: "OciUnsupported" }])
        expect(yield* linesOf(Effect.provide(ask, inside))).toEqual([])
      }))

    it.effect("logs twice if a layer is used twice", () =>
      Effect.gen(function*() {
        const wrap = Logging.wrap({ level: LogLevel.Debug })
        expect(yield* linesOf(Effect.provide(ask, base.pipe(wrap, wrap)))).toHaveLength(2)
        expect(Logging.layer()).not.toBe(Logging.layer())
      }))
  })
})
