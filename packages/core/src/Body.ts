/**
 * Bodies: values that yield the bytes sent to or received from a registry.
 *
 * @since 0.1.0
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import { dual } from "effect/Function"
import type { Pipeable } from "effect/Pipeable"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import type { Span } from "./ByteRange.js"
import * as kinds from "./internal/bodyKinds.js"
import * as pulled from "./internal/pulled.js"
import * as native from "./internal/source.js"
import * as verifier from "./internal/verifier.js"
import type { Expected } from "./internal/verifier.js"
import { fromBodyFailure, SizeInvalid } from "./RegistryError.js"
import type { ErrorFields, RegistryError } from "./RegistryError.js"
import * as Source from "./Source.js"

export type { Expected }

/**
 * @since 0.1.0
 * @category symbols
 */
export const TypeId: typeof kinds.TypeId = kinds.TypeId

/**
 * A cold stream of bytes. `size` is the size in bytes, if known. `replayable` says whether the stream can be run again.
 * `bytes` contains the whole content if the content is in memory. `stream` is always present.
 *
 * A body arrives in one of three ways: from memory, from a native source, or from a stream. The functions of this
 * module work on all of them in the same way, and keep a native source native. `source` is that source; use
 * {@link toSource} to connect any body to a native sink.
 *
 * @since 0.1.0
 * @category models
 */
export interface Body extends Pipeable {
  readonly [TypeId]: typeof TypeId
  readonly size: number | undefined
  readonly replayable: boolean
  readonly stream: Stream.Stream<Uint8Array, RegistryError>
  readonly bytes: Uint8Array | undefined
  readonly source: Source.Source | undefined
}

/**
 * What is known about a body.
 *
 * @since 0.1.0
 * @category models
 */
export interface Fields {
  /** The size in bytes. A registry may refuse a body without a size. */
  readonly size?: number | undefined
  /** Whether the body yields the same bytes each time it is run. Default: `false`, as for a socket or a pipe. */
  readonly replayable?: boolean | undefined
}

/**
 * Returns whether a value is a body.
 *
 * @since 0.1.0
 * @category guards
 */
export const isBody = (value: unknown): value is Body => Predicate.hasProperty(value, TypeId)

/**
 * Creates a body from bytes in memory. The bytes are not copied and must not be changed.
 *
 * @since 0.1.0
 * @category constructors
 */
export const bytes = (content: Uint8Array): Body => new kinds.InMemory(content, content.byteLength)

/**
 * The empty body.
 *
 * @since 0.1.0
 * @category constructors
 */
export const empty: Body = bytes(new Uint8Array(0))

/**
 * Creates a body from a stream.
 *
 * A failure of the stream becomes a `BodyFailed`, unless it is a `RegistryError` already, as in a copy between
 * registries.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Body } from "@effect-oci/core"
 * import { Stream } from "effect"
 *
 * const zeros = Body.stream(Stream.make(new Uint8Array(1024), new Uint8Array(1024)), { size: 2048, replayable: true })
 * ```
 */
export const stream = <E>(content: Stream.Stream<Uint8Array, E>, fields?: Fields): Body =>
  new kinds.Streamed(Stream.mapError(content, fromBodyFailure), fields)

/**
 * Creates a body from a native source, such as a Node stream. A native source can be connected to a native sink
 * directly, without an Effect stream between them. If the body is read as a stream instead, the stream buffers at most
 * 1 MiB of unread data and one chunk.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Body, RegistryError } from "@effect-oci/core"
 * import { createReadStream } from "node:fs"
 *
 * const file = (path: string, size: number) =>
 *   Body.fromSource((sink) => {
 *     const readable = createReadStream(path)
 *       .on("data", (chunk) => {
 *         if (!sink.data(chunk as Buffer)) readable.pause()
 *       })
 *       .on("end", sink.end)
 *       .on("error", (cause) => sink.fail(RegistryError.fromBodyFailure(cause)))
 *     return { resume: () => readable.resume(), cancel: () => readable.destroy() }
 *   }, { size, replayable: true })
 * ```
 */
export const fromSource = (content: Source.Source, fields?: Fields): Body => new kinds.Native(content, fields)

/**
 * Creates a body that fails with an error when it is run.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fail = (error: RegistryError): Body => new kinds.Native(Source.fail(error), { replayable: true })

/**
 * Returns whether a fiber must run the body: whether the body is a stream.
 *
 * @since 0.1.0
 * @category getters
 */
export const needsFiber: (body: Body) => boolean = kinds.needsFiber

/**
 * Calls a function with each chunk of a body, using the cheapest access that the body offers. The function runs
 * synchronously and must keep up with the body: there is no backpressure. If the function throws, the effect dies with
 * a defect.
 *
 * @since 0.1.0
 * @category destructors
 */
export const forEachChunk = (body: Body, f: (chunk: Uint8Array) => void): Effect.Effect<void, RegistryError> => {
  const content = kinds.contentOf(body)
  if (content !== undefined) {
    return Effect.suspend(() => {
      const { chunks, error } = content()
      chunks.forEach((chunk) => f(chunk))
      return error === undefined ? Effect.void : Effect.fail(error)
    })
  }
  if (body.source !== undefined) return native.forEach(body.source, f)
  return Stream.runForEachChunk(body.stream, (chunk) => Effect.sync(() => Chunk.forEach(chunk, f)))
}

const overLimit = new SizeInvalid({ reason: "the body is longer than the limit" })

/**
 * Reads a body into memory, at most `limit` bytes. If the body is larger, fails with the error that `onLimit` returns
 * and does not read the rest.
 *
 * @since 0.1.0
 * @category destructors
 * @example
 * ```ts
 * import { Body, RegistryError } from "@effect-oci/core"
 *
 * const limit = 4 * 1024 * 1024
 * const bytes = Body.toBytes(Body.empty, {
 *   limit,
 *   onLimit: () => new RegistryError.SizeInvalid({ reason: "manifest too large", limit })
 * })
 * ```
 */
export const toBytes = <E>(
  body: Body,
  { limit, onLimit }: { readonly limit: number; readonly onLimit: () => E }
): Effect.Effect<Uint8Array, RegistryError | E> => {
  if (body.size !== undefined && body.size > limit) return Effect.fail(onLimit())
  if (body.bytes !== undefined) return Effect.succeed(body.bytes)
  return Effect.suspend(() => {
    const chunks: Array<Uint8Array> = []
    let size = 0
    const limited = inspect(body, () => ({
      update: (chunk) => {
        size += chunk.byteLength
        return size > limit ? overLimit : undefined
      }
    }))
    return Effect.mapBoth(forEachChunk(limited, (chunk) => chunks.push(chunk)), {
      // An error that fails an effect within a span is not the same object.
      onFailure: (error) => size > limit ? onLimit() : error,
      onSuccess: () => concatBytes(chunks, size)
    })
  })
}

/**
 * Joins chunks of bytes. Returns a single chunk as it is, without a copy.
 *
 * @since 0.1.0
 * @category destructors
 */
export const concatBytes = (
  chunks: ReadonlyArray<Uint8Array>,
  size = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0)
): Uint8Array => {
  const only = chunks[0]
  if (chunks.length === 1 && only !== undefined) return only
  const all = new Uint8Array(size)
  let offset = 0
  for (const chunk of chunks) {
    all.set(chunk, offset)
    offset += chunk.byteLength
  }
  return all
}

/**
 * Returns a native source of any body. `fork` starts the fiber that runs a stream; a defect or an interruption of that
 * fiber becomes a `BodyFailed`. Bytes in memory are passed in pieces of at most 64 KiB, so that their sink can pause
 * them.
 *
 * @since 0.1.0
 * @category destructors
 */
export const toSource = (body: Body, fork: Source.Fork): Source.Source => {
  const content = kinds.contentOf(body)
  return content === undefined ? body.source ?? native.fromStream(body.stream, fork) : pulled.toSource(content)
}

/**
 * Returns a body whose callbacks pass through a transformer, which may count, replace or drop chunks, end the body
 * early, or change its end and its failure. `through` is called for each run of the body, with the sink of the consumer.
 * If it ends or fails this sink at once, the body is not opened.
 *
 * For each chunk, the transformer passes on at most one chunk, and returns what the sink returned. In its `end` and
 * `fail` it ends or fails the sink. If the body is a stream or in memory, the sink always returns `false`, because its
 * consumer pulls. If a transformer fails the sink, the consumer of a stream may not receive the chunks just before.
 *
 * The returned body has no `bytes`, because they have not passed the transformer. A native source stays native.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import { Body } from "@effect-oci/core"
 *
 * // Counts the bytes that are read.
 * const counted = (body: Body.Body, count: { bytes: number }) =>
 *   Body.transform(body, (sink) => ({
 *     data: (chunk) => {
 *       count.bytes += chunk.byteLength
 *       return sink.data(chunk)
 *     }
 *   }))
 * ```
 */
export const transform: {
  (through: (sink: Source.Sink) => Source.Transformer): (body: Body) => Body
  (body: Body, through: (sink: Source.Sink) => Source.Transformer): Body
} = dual(2, (body: Body, through: native.Through): Body => {
  const content = kinds.contentOf(body)
  if (content !== undefined) {
    return new kinds.InMemory(undefined, body.size, () => pulled.transformContent(content(), through))
  }
  return body.source === undefined
    ? new kinds.Streamed(pulled.transformStream(body.stream, through), body)
    : new kinds.Native(native.transform(body.source, through), body)
})

/**
 * A function pair that sees the bytes of a body before its consumer does. If `update` or `end` returns an error, the
 * body fails with the error: the chunk, or the end, is not passed on.
 *
 * @since 0.1.0
 * @category models
 */
export interface Inspector {
  readonly update: (chunk: Uint8Array) => RegistryError | undefined
  readonly end?: () => RegistryError | undefined
}

const inspecting = (sink: Source.Sink, { end, update }: Inspector): Source.Transformer => {
  const refuse = (error: RegistryError): boolean => {
    sink.fail(error)
    return false
  }
  return {
    data: (chunk) => {
      const error = update(chunk)
      return error === undefined ? sink.data(chunk) : refuse(error)
    },
    end: () => {
      const error = end?.()
      if (error !== undefined) refuse(error)
    }
  }
}

/**
 * Returns the same body with an inspector that sees the bytes as they flow. Calls `begin` for a new inspector each time
 * the body is run. The returned body has no `bytes`, because they have not been inspected yet.
 *
 * @since 0.1.0
 * @category combinators
 */
export const inspect: {
  (begin: () => Inspector): (body: Body) => Body
  (body: Body, begin: () => Inspector): Body
} = dual(2, (body: Body, begin: () => Inspector): Body => transform(body, (sink) => inspecting(sink, begin())))

/**
 * Maps the error with which a body fails.
 *
 * @since 0.1.0
 * @category combinators
 */
export const mapError: {
  (f: (error: RegistryError) => RegistryError): (body: Body) => Body
  (body: Body, f: (error: RegistryError) => RegistryError): Body
} = dual(
  2,
  (body: Body, f: (error: RegistryError) => RegistryError): Body =>
    body.bytes === undefined ? transform(body, (sink) => ({ fail: (error) => sink.fail(f(error)) })) : body
)

/**
 * Sets the size of a body, without a check. Use {@link exactly} for a size from an untrusted source.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withSize: {
  (size: number | undefined): (body: Body) => Body
  (body: Body, size: number | undefined): Body
} = dual(2, (body: Body, size: number | undefined): Body => {
  if (body.size === size) return body
  const content = kinds.contentOf(body)
  if (content !== undefined) return new kinds.InMemory(undefined, size, content)
  const fields = { size, replayable: body.replayable }
  return body.source === undefined ? new kinds.Streamed(body.stream, fields) : new kinds.Native(body.source, fields)
})

/**
 * Returns the same body with a size. It fails if the body turns out to have another size. `onWrong` creates the error.
 * Default: a `SizeInvalid`.
 *
 * @since 0.1.0
 * @category combinators
 */
export const exactly: {
  (size: number, onWrong?: (reason: string) => RegistryError): (body: Body) => Body
  (body: Body, size: number, onWrong?: (reason: string) => RegistryError): Body
} = dual(
  (args) => isBody(args[0]),
  (body: Body, size: number, onWrong = (reason: string): RegistryError => new SizeInvalid({ reason })): Body =>
    body.bytes?.byteLength === size
      ? body
      : withSize(inspect(body, () => verifier.counter(size, onWrong)), size)
)

/**
 * Returns a part of a body, for sources that cannot send a part. Bytes before the part are read and dropped. Bytes
 * after the part are not read. Fails with `SizeInvalid` if the content ends before the part does.
 *
 * @since 0.1.0
 * @category combinators
 */
export const slice: {
  (span: Span): (body: Body) => Body
  (body: Body, span: Span): Body
} = dual(2, (body: Body, span: Span): Body => {
  const end = span.offset + span.length
  if (body.bytes !== undefined && body.bytes.byteLength >= end) return bytes(body.bytes.subarray(span.offset, end))
  const part = transform(body, (sink) => {
    let passed = 0
    return {
      data: (chunk) => {
        const part = chunk.subarray(Math.max(0, span.offset - passed), Math.max(0, end - passed))
        passed += chunk.byteLength
        const isOpen = part.byteLength === 0 || sink.data(part)
        if (passed >= end) sink.end()
        return isOpen
      },
      end: () => {
        if (passed < end) sink.fail(new SizeInvalid({ reason: verifier.tooShort(passed, end) }))
      }
    }
  })
  return withSize(part, span.length)
})

/**
 * Returns the same body with verification. It fails with `DigestInvalid` or `SizeInvalid` if the content does not match
 * `expected`:
 *
 * - before the first byte, if the body declares another size;
 * - before its last byte is passed on, if the size is known;
 * - before the end of the stream otherwise.
 *
 * `fields` adds fields to the error, such as those of `Operation.errorFields`.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import { Body, Digest } from "@effect-oci/core"
 *
 * const bytes = new TextEncoder().encode("{}")
 * const checked = Body.verify(Body.bytes(bytes), { digest: Digest.fromBytes(bytes), size: 2 })
 * ```
 */
export const verify: {
  (expected: Expected, fields?: ErrorFields): (body: Body) => Body
  (body: Body, expected: Expected, fields?: ErrorFields): Body
} = dual(
  (args) => isBody(args[0]),
  (body: Body, expected: Expected, fields?: ErrorFields): Body => {
    const verified = transform(body, (sink) => {
      const checks = verifier.make(expected, body.size, fields)
      if (Either.isRight(checks)) return inspecting(sink, checks.right)
      sink.fail(checks.left)
      return {}
    })
    return withSize(verified, expected.size ?? body.size)
  }
)

/**
 * Returns a body that continues with the body that an effect opens, whenever a body ends or fails. `begin` is called for
 * each run. The function that it returns receives the failure, or `undefined` after an end, and the number of bytes that
 * were passed so far. If its effect returns `undefined`, the whole body ends. A body is opened only when the consumer
 * accepts more bytes.
 *
 * `fork` runs the effects, and the streams, if the body is not a stream itself.
 *
 * @since 0.1.0
 * @category combinators
 */
export const continueWith = (
  body: Body,
  begin: () => (error: RegistryError | undefined, passed: number) => Effect.Effect<Body | undefined, RegistryError>,
  fork: Source.Fork
): Body =>
  kinds.needsFiber(body)
    ? new kinds.Streamed(
      Stream.suspend(() => pulled.sequence(body.stream, native.mapNext(begin(), ({ stream }) => stream))),
      body
    )
    : new kinds.Native((sink) => {
      const next = native.mapNext(begin(), (body) => toSource(body, fork))
      return native.sequence(toSource(body, fork), next, fork)(sink)
    }, body)

/**
 * Returns a body that yields the bytes of several bodies, in order. It is native if none of them is a stream.
 *
 * @since 0.1.0
 * @category combinators
 */
export const concat = (bodies: ReadonlyArray<Body>): Body => {
  const sizes = bodies.map(({ size }) => size)
  const fields = {
    size: sizes.reduce((sum, size) => sum === undefined || size === undefined ? undefined : sum + size, 0),
    replayable: bodies.every(({ replayable }) => replayable)
  }
  if (bodies.some(kinds.needsFiber)) {
    return new kinds.Streamed(Stream.flatMap(Stream.fromIterable(bodies), ({ stream }) => stream), fields)
  }
  return new kinds.Native((sink) => {
    let at = 0
    const next: native.Next<Source.Source> = (error) => {
      const body = bodies[at++]
      return error === undefined ? Exit.succeed(body && toSource(body, noFork)) : Exit.fail(error)
    }
    return native.sequence(Source.fromChunks([]), next, noFork)(sink)
  }, fields)
}

const noFork: Source.Fork = () => {
  throw new Error("a body that needs no fiber was run in one")
}
