import * as Body from "@effect-oci/core/Body"
import type { ResponseError } from "@effect/platform/HttpClientError"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

/** The maximum size of a body from a token server, or with status 401, in bytes. */
export const maxBytes = 64 * 1024

/** Reads the body of a response. Returns `undefined` if it is longer than {@link maxBytes}. */
export const read = (response: HttpClientResponse): Effect.Effect<Uint8Array | undefined, ResponseError> =>
  Effect.suspend(() => {
    const pieces: Array<Uint8Array> = []
    let length = 0
    return response.stream.pipe(
      Stream.catchAll((error) => error.reason === "EmptyBody" ? Stream.empty : Stream.fail(error)),
      Stream.takeUntil((piece) => {
        pieces.push(piece)
        length += piece.byteLength
        return length > maxBytes
      }),
      Stream.runDrain,
      Effect.map(() => length > maxBytes ? undefined : Body.concatBytes(pieces, length))
    )
  })

/**
 * Reads an optional body, so that its connection can be used again. Returns `undefined` after one second or on failure.
 */
export const readBriefly = (response: HttpClientResponse): Effect.Effect<Uint8Array | undefined> =>
  read(response).pipe(Effect.timeout("1 second"), Effect.orElseSucceed(() => undefined))
