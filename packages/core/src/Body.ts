/**
 * Bodies: bytes on their way into or out of a registry.
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
 * A cold stream of bytes that says its size in bytes, if known, and whether it can be run again. Where the bytes are
 * all in hand they are in `bytes`; where they come from a native end that is `source`. `stream` is always there.
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

/** A server makes one of these for each small answer, and no stream of it. */
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
 * Whether a value is a body.
 *
 * @since 0.1.0
 * @category guards
 */
export const isBody = (value: unknown): value is Body => Predicate.hasProperty(value, TypeId)

/**
 * A body whose bytes are in hand. They are not copied, and must not be changed.
 *
 * @since 0.1.0
 * @category constructors
 */
export const bytes = (content: Uint8Array): Body => new BytesInHand(content)

/**
 * The body of no bytes.
 *
 * @since 0.1.0
 * @category constructors
 */
export const empty: Body = bytes(new Uint8Array(0))

/**
 * A body from a stream. `size` is in bytes, and a registry may refuse a body without one. `replayable` says that the
 * stream gives the same bytes each time it is run; it is false unless said, as for a socket or a pipe. A failure of the
 * stream becomes a `BodyFailed`, unless it is the error of a registry, as in a copy.
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
 * A body from a native end, which two such ends may meet by without a stream between them. Its stream gathers at most
 * 1 MiB that nobody has read, and one chunk.
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
 * Runs a body through a function, a chunk at a time, in the cheapest way that it offers. The function keeps up with
 * the body: nothing is held back for it. Where it throws, that is a defect.
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
 * The bytes of a body, at most `limit` of them: where there are more, the answer is what `onLimit` makes, and the rest
 * is not read.
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
 * A part of a body, for content whose owner cannot send parts: what comes before it is read and dropped, what comes
 * after it is not read. Where the content ends before the part does, that is a `SizeInvalid`.
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
 * The same body, which fails with `DigestInvalid` or `SizeInvalid` where it is not what it should be: before its last
 * byte is passed on if the size is known, before its end otherwise, and before its first where it says itself that it
 * has another size. `asked` is what such an error tells besides, as `Operation.errorFields` gives it.
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
 * Sees the bytes of a body before their taker does. An error of it ends the body, in place of the piece, or of the end,
 * that it was given.
 *
 * @since 0.1.0
 * @category models
 */
export interface Inspector {
  readonly update: (piece: Uint8Array) => RegistryError | undefined
  readonly end: () => RegistryError | undefined
}

/**
 * The same body, looked at as it flows, each time it is run by an inspector of its own. One that can be told from the
 * start to be wrong fails with that, and is not run. What is in hand is no longer, as it was not looked at yet.
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
