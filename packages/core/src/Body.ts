/**
 * Bodies: values that yield the bytes sent to or received from a registry.
 *
 * @since 0.1.0
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { pipeArguments } from "effect/Pipeable"
import type { Pipeable } from "effect/Pipeable"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import type { Span } from "./ByteRange.js"
import type { Control, Sink, Source } from "./internal/source.js"
import * as source from "./internal/source.js"
import * as verifier from "./internal/verifier.js"
import type { Expected } from "./internal/verifier.js"
import { fromBodyFailure } from "./RegistryError.js"
import type { ErrorFields, RegistryError } from "./RegistryError.js"

export type { Control, Expected, Sink, Source }

/**
 * @since 0.1.0
 * @category symbols
 */
export const TypeId: unique symbol = Symbol.for("@effect-oci/core/Body")

/**
 * A cold stream of bytes. `size` is the size in bytes, if known. `replayable` says whether the stream can be run again.
 * `bytes` contains the whole content if the content is in memory. `source` is the native source of the content, if
 * there is one. `stream` is always present.
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
  readonly source: Source | undefined
}

const proto = {
  [TypeId]: TypeId,
  pipe() {
    return pipeArguments(this, arguments)
  }
}

const make = (fields: Omit<Body, typeof TypeId | "pipe">): Body => Object.assign(Object.create(proto), fields)

/**
 * A body with its content in memory. Creates its stream only on demand, because a server creates one such body for each
 * small answer.
 */
class BytesInHand implements Body {
  readonly [TypeId]: typeof TypeId = TypeId
  readonly replayable = true
  readonly source = undefined
  constructor(readonly bytes: Uint8Array) {}

  get size() {
    return this.bytes.byteLength
  }

  get stream(): Body["stream"] {
    return this.size === 0 ? Stream.empty : Stream.succeed(this.bytes)
  }

  pipe() {
    return pipeArguments(this, arguments)
  }
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
export const bytes = (content: Uint8Array): Body => new BytesInHand(content)

/**
 * The empty body.
 *
 * @since 0.1.0
 * @category constructors
 */
export const empty: Body = bytes(new Uint8Array(0))

/**
 * Creates a body from a stream. `size` is in bytes; a registry may refuse a body without a size. `replayable` says that
 * the stream yields the same bytes each time it is run. Default: `false`, as for a socket or a pipe.
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
export const stream = <E>(
  content: Stream.Stream<Uint8Array, E>,
  options?: { readonly size?: number | undefined; readonly replayable?: boolean | undefined }
): Body =>
  make({
    size: options?.size,
    replayable: options?.replayable ?? false,
    stream: Stream.mapError(content, fromBodyFailure),
    bytes: undefined,
    source: undefined
  })

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
export const fromSource = (
  content: Source,
  options?: { readonly size?: number | undefined; readonly replayable?: boolean | undefined }
): Body =>
  make({
    size: options?.size,
    replayable: options?.replayable ?? false,
    stream: source.toStream(content),
    bytes: undefined,
    source: content
  })

/**
 * Calls a function with each chunk of a body, using the cheapest access that the body offers. The function runs
 * synchronously and must keep up with the body: there is no backpressure. If the function throws, the effect dies with
 * a defect.
 *
 * @since 0.1.0
 * @category destructors
 */
export const forEachChunk = (body: Body, f: (chunk: Uint8Array) => void): Effect.Effect<void, RegistryError> => {
  if (body.bytes !== undefined) {
    const content = body.bytes
    return Effect.sync(() => {
      f(content)
    })
  }
  if (body.source !== undefined) return source.forEach(body.source, f)
  return Stream.runForEachChunk(body.stream, (chunk) => Effect.sync(() => Chunk.forEach(chunk, f)))
}

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
  options: { readonly limit: number; readonly onLimit: () => E }
): Effect.Effect<Uint8Array, RegistryError | E> => {
  if (body.bytes !== undefined) {
    return body.bytes.byteLength > options.limit ? Effect.fail(options.onLimit()) : Effect.succeed(body.bytes)
  }
  if (body.size !== undefined && body.size > options.limit) return Effect.fail(options.onLimit())
  return Effect.suspend(() => {
    const chunks: Array<Uint8Array> = []
    let size = 0
    return body.stream.pipe(
      Stream.runForEachChunk((chunk) => {
        for (const piece of chunk) {
          size += piece.byteLength
          if (size > options.limit) return Effect.fail(options.onLimit())
          chunks.push(piece)
        }
        return Effect.void
      }),
      Effect.map(() => concat(chunks, size))
    )
  })
}

const concat = (chunks: ReadonlyArray<Uint8Array>, size: number): Uint8Array => {
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
 * Returns a part of a body, for sources that cannot send a part. Bytes before the part are read and dropped. Bytes
 * after the part are not read. Fails with `SizeInvalid` if the content ends before the part does.
 *
 * @since 0.1.0
 * @category combinators
 */
export const slice = (body: Body, span: Span): Body => {
  const end = span.offset + span.length
  if (body.bytes !== undefined) return bytes(body.bytes.subarray(span.offset, end))
  const part = Stream.suspend(() => {
    let passed = 0
    const cut = (piece: Uint8Array) => {
      const part = piece.subarray(Math.max(0, span.offset - passed), Math.max(0, end - passed))
      passed += piece.byteLength
      return { part, last: passed >= end }
    }
    const rest = Stream.suspend(() => passed < end ? Stream.fail(verifier.tooShort(passed, end)) : Stream.empty)
    return body.stream.pipe(
      Stream.map(cut),
      Stream.takeUntil(({ last }) => last),
      Stream.map(({ part }) => part),
      Stream.filter((part) => part.byteLength > 0),
      Stream.concat(rest)
    )
  })
  return make({ size: span.length, replayable: body.replayable, stream: part, bytes: undefined, source: undefined })
}

/**
 * Returns the same body with verification. It fails with `DigestInvalid` or `SizeInvalid` if the content does not match
 * `expected`:
 *
 * - before the first byte, if the body declares another size;
 * - before its last byte is passed on, if the size is known;
 * - before the end of the stream otherwise.
 *
 * `asked` adds fields to the error, such as those of `Operation.errorFields`.
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
export const verify = (body: Body, expected: Expected, asked?: ErrorFields): Body =>
  inspect(body, () => verifier.make(expected, body.size, asked), { size: expected.size ?? body.size })

/**
 * A function pair that sees the bytes of a body before its consumer does. If `update` or `end` returns an error, the
 * body fails with the error: the piece, or the end, is not passed on.
 *
 * @since 0.1.0
 * @category models
 */
export interface Inspector {
  readonly update: (piece: Uint8Array) => RegistryError | undefined
  readonly end: () => RegistryError | undefined
}

/**
 * Returns the same body with an inspector that sees the bytes as they flow. Calls `begin` for a new inspector each time
 * the body is run. If `begin` returns a `Left`, the body fails with its error and is not run. The returned body has no
 * `bytes`, even if `body` has them, because they have not been inspected yet.
 *
 * @since 0.1.0
 * @category combinators
 */
export const inspect = (
  body: Body,
  begin: () => Either.Either<Inspector, RegistryError>,
  options?: { readonly size?: number | undefined }
): Body => {
  const fields = { size: options?.size ?? body.size, replayable: body.replayable }
  if (body.source !== undefined) return fromSource(inspectSource(body.source, begin), fields)
  const inspected = Stream.suspend(() => {
    const inspector = begin()
    return Either.isLeft(inspector) ? Stream.fail(inspector.left) : inspectStream(body.stream, inspector.right)
  })
  return make({ ...fields, stream: inspected, bytes: undefined, source: undefined })
}

const inspectStream = (inner: Body["stream"], { end, update }: Inspector): Body["stream"] =>
  Stream.concat(
    Stream.mapChunksEffect(inner, (chunk) => {
      for (const piece of chunk) {
        const error = update(piece)
        if (error !== undefined) return Effect.fail(error)
      }
      return Effect.succeed(chunk)
    }),
    Stream.suspend(() => {
      const error = end()
      return error === undefined ? Stream.empty : Stream.fail(error)
    })
  )

const inspectSource = (inner: Source, begin: () => Either.Either<Inspector, RegistryError>): Source => (sink) => {
  const begun = begin()
  if (Either.isLeft(begun)) return source.fail(begun.left)(sink)
  const { end, update } = begun.right
  let over = false
  const fail = (error: RegistryError) => {
    over = true
    control.cancel()
    sink.fail(error)
    return false
  }
  const control = inner({
    data: (chunk) => {
      if (over) return false
      const error = update(chunk)
      return error === undefined ? sink.data(chunk) : fail(error)
    },
    end: () => {
      if (over) return
      const error = end()
      if (error === undefined) sink.end()
      else fail(error)
    },
    fail: (error) => {
      if (!over) sink.fail(error)
    }
  })
  return control
}
