import * as Body from "@effect-oci/core/Body"
import type { RegistryError } from "@effect-oci/core/RegistryError"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

/**
 * The size of all parts of a multipart upload but the last, in bytes. R2 requires that they are equal, at least 5 MiB,
 * and at most 10,000, so that a blob has at most 78 GiB.
 */
export const partSize = 8 * 1024 * 1024

/** An error of the body, in contrast to one of the store. */
export class BodyError {
  readonly _tag = "BodyError"
  constructor(readonly cause: RegistryError) {}
}

/**
 * Reads a body and calls `onPart` with each full part, except one that may be the last. Returns the rest, which may be a
 * full part. The body is paused while `onPart` runs, so that one part is in memory.
 */
export const read = <E>(
  body: Body.Body,
  first: Uint8Array,
  onPart: (part: Uint8Array) => Effect.Effect<void, E>
): Effect.Effect<Uint8Array, E | BodyError> =>
  Effect.suspend(() => {
    let chunks = [first]
    let size = first.byteLength
    const take = () => {
      const part = Body.concatBytes(chunks, size)
      chunks = []
      size = 0
      return part
    }
    const add = (chunk: Uint8Array): Effect.Effect<void, E> => {
      if (size + chunk.byteLength <= partSize) {
        chunks.push(chunk)
        size += chunk.byteLength
        return Effect.void
      }
      const rest = chunk.subarray(partSize - size)
      chunks.push(chunk.subarray(0, partSize - size))
      size = partSize
      return Effect.zipRight(Effect.suspend(() => onPart(take())), Effect.suspend(() => add(rest)))
    }
    return Stream.runForEachChunk(
      Stream.mapError(body.stream, (cause) => new BodyError(cause)),
      (received) => Effect.forEach(Chunk.toReadonlyArray(received), add, { discard: true })
    ).pipe(Effect.map(take))
  })
