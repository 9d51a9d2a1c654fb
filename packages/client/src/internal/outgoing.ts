import type * as Body from "@effect-oci/core/Body"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as HttpBody from "@effect/platform/HttpBody"
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Transport from "../Transport.js"

/** A body on its way out, and how it failed, if it did: what the platform makes of that cannot be relied on. */
export interface Outgoing {
  readonly body: HttpBody.HttpBody
  readonly failure: () => Cause.Cause<RegistryError.RegistryError> | undefined
}

const never = () => undefined

const none: Outgoing = { body: HttpBody.empty, failure: never }

/** Bytes in hand that are more than these go out a piece at a time, so that it shows that they go. */
const pieceSize = 1024 * 1024

/** The body of a request. It is held to the size that it says: one that ends early would leave the registry waiting. */
export const make = (body: Body.Body | undefined, contentType: string | undefined): Outgoing => {
  if (body === undefined || body.bytes?.byteLength === 0) return none
  if (body.bytes !== undefined && body.bytes.byteLength <= pieceSize) {
    return { body: HttpBody.uint8Array(body.bytes, contentType), failure: never }
  }
  let failure: Cause.Cause<RegistryError.RegistryError> | undefined
  const stream = sized(body.bytes === undefined ? body.stream : inPieces(body.bytes), body.size).pipe(
    Stream.mapChunks(Chunk.append(nothing)),
    Stream.tapErrorCause((cause) =>
      Effect.sync(() => {
        if (!Cause.isInterruptedOnly(cause)) failure = cause
      })
    )
  )
  const outgoing = HttpBody.stream(stream, contentType, body.size)
  return { body: body.replayable ? Transport.markReplayable(outgoing) : outgoing, failure: () => failure }
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
    const wrong = () => new RegistryError.SizeInvalid({ reason: `the body has ${sent} bytes, but ${size} were announced` })
    return Stream.concat(
      Stream.mapChunksEffect(stream, (chunk) => {
        for (const piece of chunk) sent += piece.byteLength
        return sent > size ? Effect.fail(wrong()) : Effect.succeed(chunk)
      }),
      Stream.suspend(() => sent === size ? Stream.empty : Stream.fail(wrong()))
    )
  })
