import type * as Body from "@effect-oci/core/Body"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Transport from "@effect-oci/transport/Transport"
import * as HttpBody from "@effect/platform/HttpBody"
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Fiber from "effect/Fiber"
import type * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"

/** The body of a request that is being sent. */
export interface Outgoing {
  readonly body: HttpBody.HttpBody
  /** Returns the error of the body, if it failed. The platform does not report it reliably. */
  readonly failure: () => Cause.Cause<RegistryError.RegistryError> | undefined
  /**
   * Ends the body when the request has ended. `fetch` does not cancel the stream of a body that it does not read to its
   * end.
   */
  readonly stop: (asking: FiberId.FiberId) => Effect.Effect<void>
}

const inHand = (body: HttpBody.HttpBody): Outgoing => ({ body, failure: () => undefined, stop: () => Effect.void })

const none = inHand(HttpBody.empty)

/** Bytes that are longer than this are sent piece by piece, so that progress is visible. */
const pieceSize = 1024 * 1024

/**
 * Creates the body of a request. It fails if the body does not have the announced size: the registry would wait for the
 * rest of a body that ends early.
 */
export const make = (body: Body.Body | undefined, contentType: string | undefined): Outgoing => {
  if (body === undefined || body.bytes?.byteLength === 0) return none
  if (body.bytes !== undefined && body.bytes.byteLength <= pieceSize) {
    return inHand(HttpBody.uint8Array(body.bytes, contentType))
  }
  let failure: Cause.Cause<RegistryError.RegistryError> | undefined
  let reader: Fiber.RuntimeFiber<unknown, unknown> | undefined
  const pieces = sized(body.bytes === undefined ? body.stream : inPieces(body.bytes), body.size).pipe(
    Stream.mapChunks(Chunk.append(nothing)),
    Stream.tapErrorCause((cause) =>
      Effect.sync(() => {
        if (!Cause.isInterruptedOnly(cause)) failure = cause
      })
    )
  )
  const stream = Stream.unwrap(Effect.withFiberRuntime<typeof pieces, never>((fiber) => {
    reader = fiber
    return Effect.succeed(pieces)
  }))
  const outgoing = HttpBody.stream(stream, contentType, body.size)
  return {
    body: body.replayable ? Transport.markReplayable(outgoing) : outgoing,
    failure: () => failure,
    stop: (asking) =>
      reader === undefined || Equal.equals(reader.id(), asking) ? Effect.void : Fiber.interruptFork(reader)
  }
}

/**
 * An empty piece at the end of each chunk. The client over `node:http` waits for its socket before every piece of a
 * chunk except the first. Without this piece it would read a body of single pieces faster than it can send them.
 */
const nothing = new Uint8Array(0)

const inPieces = (bytes: Uint8Array): Stream.Stream<Uint8Array> =>
  Stream.unfold(0, (offset) =>
    offset < bytes.byteLength
      ? Option.some([bytes.subarray(offset, offset + pieceSize), offset + pieceSize] as const)
      : Option.none())

/** Returns the stream, which fails if its length is not `size`. */
const sized = (
  stream: Stream.Stream<Uint8Array, RegistryError.RegistryError>,
  size: number | undefined
): Stream.Stream<Uint8Array, RegistryError.RegistryError> =>
  size === undefined ? stream : Stream.suspend(() => {
    let sent = 0
    const wrong = () =>
      new RegistryError.SizeInvalid({ reason: `the body has ${sent} bytes, but ${size} were announced` })
    return Stream.concat(
      Stream.mapChunksEffect(stream, (chunk) => {
        for (const piece of chunk) sent += piece.byteLength
        return sent > size ? Effect.fail(wrong()) : Effect.succeed(chunk)
      }),
      Stream.suspend(() => sent === size ? Stream.empty : Stream.fail(wrong()))
    )
  })
