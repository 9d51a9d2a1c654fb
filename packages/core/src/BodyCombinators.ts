/**
 * Functions from bodies to bodies and native sources. Import them from `Body`.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import { dual } from "effect/Function"
import * as Stream from "effect/Stream"
import { bytes, isBody } from "./BodyModel.js"
import type { Body } from "./BodyModel.js"
import type { Span } from "./ByteRange.js"
import type { Digest } from "./Digest.js"
import * as kinds from "./internal/bodyKinds.js"
import * as pulled from "./internal/pulled.js"
import * as native from "./internal/source.js"
import * as verifier from "./internal/verifier.js"
import type { Expected } from "./internal/verifier.js"
import { SizeInvalid } from "./RegistryError.js"
import type { ErrorFields, RegistryError } from "./RegistryError.js"
import * as Source from "./Source.js"

export type { Expected }

/**
 * Returns a native source of any body. `fork` starts the fiber that runs a stream; a defect or an interruption of that
 * fiber becomes a `BodyFailed`. Bytes in memory are passed in pieces of at most 64 KiB, so that their sink can pause
 * them.
 *
 * @since 0.1.0
 * @category destructors
 */
export const toSource: {
  (fork: Source.Fork): (body: Body) => Source.Source
  (body: Body, fork: Source.Fork): Source.Source
} = /* @__PURE__ */ dual(2, (body: Body, fork: Source.Fork): Source.Source => {
  const content = kinds.contentOf(body)
  return content === undefined ? body.source ?? native.fromStream(body.stream, fork) : pulled.toSource(content)
})

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
} = /* @__PURE__ */ dual(2, (body: Body, through: native.Through): Body => transformed(body, through, undefined))

/** Transforms a body. `digest` is the digest with which the transformed body is verified. */
const transformed = (body: Body, through: native.Through, digest: Digest | undefined): Body => {
  const content = kinds.contentOf(body)
  if (content !== undefined) {
    return new kinds.InMemory(undefined, body.size, () => pulled.transformContent(content(), through), digest)
  }
  return body.source === undefined
    ? new kinds.Streamed(pulled.transformStream(body.stream, through), body, digest)
    : new kinds.Native(native.transform(body.source, through), body, digest)
}

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
  /** As in `Source.Transformer`. Default: `false`. */
  readonly keepsNothing?: boolean | undefined
}

const inspecting = (sink: Source.Sink, { end, keepsNothing = false, update }: Inspector): Source.Transformer => {
  const refuse = (error: RegistryError): boolean => {
    sink.fail(error)
    return false
  }
  return {
    keepsNothing,
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
} = /* @__PURE__ */ dual(
  2,
  (body: Body, begin: () => Inspector): Body => transformed(body, (sink) => inspecting(sink, begin()), body.digest)
)

/**
 * Maps the error with which a body fails.
 *
 * @since 0.1.0
 * @category combinators
 */
export const mapError: {
  (f: (error: RegistryError) => RegistryError): (body: Body) => Body
  (body: Body, f: (error: RegistryError) => RegistryError): Body
} = /* @__PURE__ */ dual(
  2,
  (body: Body, f: (error: RegistryError) => RegistryError): Body =>
    body.bytes === undefined
      ? transformed(body, (sink) => ({ fail: (error) => sink.fail(f(error)) }), body.digest)
      : body
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
} = /* @__PURE__ */ dual(2, (body: Body, size: number | undefined): Body => {
  if (body.size === size) return body
  const content = kinds.contentOf(body)
  if (content !== undefined) return new kinds.InMemory(undefined, size, content, body.digest)
  const fields = { size, replayable: body.replayable }
  return body.source === undefined
    ? new kinds.Streamed(body.stream, fields, body.digest)
    : new kinds.Native(body.source, fields, body.digest)
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
} = /* @__PURE__ */ dual(
  (args) => isBody(args[0]),
  (body: Body, size: number, onWrong = (reason: string): RegistryError => new SizeInvalid({ reason })): Body =>
    body.bytes?.byteLength === size
      ? body
      : withSize(
        transform(body, (sink) => ({ ...inspecting(sink, verifier.counter(size, onWrong)), keepsNothing: true })),
        size
      )
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
} = /* @__PURE__ */ dual(2, (body: Body, span: Span): Body => {
  const end = span.offset + span.length
  if (body.bytes !== undefined && body.bytes.byteLength >= end) return bytes(body.bytes.subarray(span.offset, end))
  const part = transform(body, (sink) => {
    let passed = 0
    return {
      keepsNothing: true,
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
 * A body that is already verified against the same digest and has the same size is returned unchanged.
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
} = /* @__PURE__ */ dual(
  (args) => isBody(args[0]),
  (body: Body, expected: Expected, fields?: ErrorFields): Body => {
    if (body.digest === expected.digest && body.size === (expected.size ?? body.size)) return body
    const verified = transformed(body, (sink) => {
      const checks = verifier.make(expected, body.size, fields)
      if (Either.isRight(checks)) return { ...inspecting(sink, checks.right), keepsNothing: true }
      sink.fail(checks.left)
      return {}
    }, expected.digest)
    return withSize(verified, expected.size ?? body.size)
  }
)

/**
 * Opens the body that follows a body. The function receives the failure of the body, or `undefined` after an end, and the
 * number of bytes that were passed so far. If its effect returns `undefined`, the whole body ends.
 *
 * @since 0.1.0
 * @category models
 */
export interface Continue {
  (error: RegistryError | undefined, passed: number): Effect.Effect<Body | undefined, RegistryError>
}

/**
 * Returns a body that continues with the body that an effect opens, whenever a body ends or fails. `begin` is called for
 * each run. A body is opened only when the consumer accepts more bytes.
 *
 * `fork` runs the effects, and the streams, if the body is not a stream itself.
 *
 * @since 0.1.0
 * @category combinators
 */
export const continueWith: {
  (begin: () => Continue, fork: Source.Fork): (body: Body) => Body
  (body: Body, begin: () => Continue, fork: Source.Fork): Body
} = /* @__PURE__ */ dual(3, (body: Body, begin: () => Continue, fork: Source.Fork): Body =>
  kinds.needsFiber(body)
    ? new kinds.Streamed(
      Stream.suspend(() => pulled.sequence(body.stream, native.mapNext(begin(), ({ stream }) => stream))),
      body
    )
    : new kinds.Native((sink) => {
      const next = native.mapNext(begin(), (body) => toSource(body, fork))
      return native.sequence(toSource(body, fork), next, fork)(sink)
    }, body))

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
  throw new Error("a body that is read without fibers started a fiber")
}
