import * as Body from "@effect-oci/core/Body"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Either from "effect/Either"
import * as Range from "../Range.js"
import type * as Wire from "../Wire.js"

/** A chunk of an upload and its offset. Without an offset, the chunk is appended at the current end of the upload. */
export interface Chunk {
  readonly offset: number | undefined
  readonly body: Body.Body
}

/**
 * Returns the headers of a chunk: the spec's `Content-Range`, and `Upload-Offset`, because `Content-Range` cannot
 * express a chunk that is empty or of unknown size.
 */
export const headersOf = (offset: number | undefined, body: Body.Body | undefined): Wire.Headers => {
  if (offset === undefined) return {}
  const size = body?.size ?? 0
  return {
    "upload-offset": String(offset),
    ...(size === 0 ? {} : { "content-range": Range.formatSpan({ offset, length: size }) })
  }
}

const outOfRange = (reason: string) => Either.left(new RegistryError.RangeInvalid({ reason }))

/** Decodes the chunk in a request. Its `Content-Range` and its length must state the same size. */
export const read = (request: {
  readonly headers: Wire.Headers
  readonly body: Body.Body
}): Either.Either<Chunk, RegistryError.RegistryError> => {
  const { body, headers } = request
  const range = headers["content-range"]
  const offset = Range.parseCount(headers["upload-offset"])
  if (offset === undefined && headers["upload-offset"] !== undefined) {
    return outOfRange("the Upload-Offset of a chunk is written in decimal digits")
  }
  if (range === undefined) return Either.right({ offset, body })
  const span = Range.parseSpan(range.trim())
  if (span === undefined) return outOfRange("the Content-Range of a chunk is written first-last, without a unit")
  if (offset !== undefined && offset !== span.offset) {
    return outOfRange(`the chunk begins at ${span.offset} by its Content-Range, at ${offset} by its Upload-Offset`)
  }
  if (body.size === undefined) return Either.right({ offset: span.offset, body: Body.exactly(body, span.length) })
  return body.size === span.length ? Either.right({ offset: span.offset, body }) : Either.left(
    new RegistryError.SizeInvalid({
      reason: `the chunk has ${body.size} bytes, but its Content-Range says ${span.length}`
    })
  )
}
