import * as Transport from "@effect-oci/auth/Transport"
import type * as Body from "@effect-oci/core/Body"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as HttpBody from "@effect/platform/HttpBody"
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Fiber from "effect/Fiber"
import type * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"

/** A body on its way out. */
export interface Outgoing {
  readonly body: HttpBody.HttpBody
  /** How it failed, if it did: what the platform makes of that cannot be relied on. */
  readonly failure: () => Cause.Cause<RegistryError.RegistryError> | undefined
  /** Ends it, where nobody will take the rest. `fetch` leaves the stream of a body that it gives up where it is. */
  readonly stop: (asking: FiberId.FiberId) => Effect.Effect<void>
}

const inHand = (body: HttpBody.HttpBody): Outgoing => ({ body, failure: () => undefined, stop: () => Effect.void })

const none = inHand(HttpBody.empty)

/** Bytes in hand that are more than these go out a piece at a time, so that it shows that they go. */
const pieceSize = 1024 * 1024

/** The body of a request. It is held to the size that it says: one that ends early would leave the registry waiting. */
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
 * What ends each chunk of pieces: the client over `node:http` waits for its socket before every piece of a chunk but the
 * first, and would take in a body of single pieces as fast as it comes.
 */
const nothing = new Uint8Array(0)

const inPieces = (bytes: Uint8Array): Stream.Stream<Uint8Array> =>
  Stream.unfold(0, (offset) =>
    offset < bytes.byteLength
      ? Option.some([bytes.subarray(offset, offset + pieceSize), offset + pieceSize] as const)
      : Option.none())

/** The same stream, which fails where it is not as long as it should be. */
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
