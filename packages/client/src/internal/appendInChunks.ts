import * as Body from "@effect-oci/core/Body"
import * as Operation from "@effect-oci/core/Operation"
import type { ErrorFields } from "@effect-oci/core/RegistryError"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { HttpExchange, Result } from "./httpExchange.js"

/** An upload while chunks are sent: its newest id, and its offset if it is known. */
export interface Session {
  id: string
  offset: number | undefined
}

/** Appends a body to an upload, in chunks of `size` bytes. Keeps one chunk in memory. */
export const appendInChunks = (
  http: HttpExchange,
  repository: RepositoryName,
  session: Session,
  body: Body.Body,
  size: number,
  fields: ErrorFields
): Result<void> =>
  Stream.runForEach(chunks(body.stream, size), (chunk) => {
    const { id, offset } = session
    const append = new Operation.AppendUpload({ repository, id, offset, body: Body.bytes(chunk) })
    return Effect.map(http.call(append, fields), (upload) => {
      session.id = upload.id
      if (offset !== undefined) session.offset = offset + chunk.byteLength
    })
  })

/** Splits a stream into chunks of `size` bytes. The last chunk may be shorter. */
const chunks = <E>(stream: Stream.Stream<Uint8Array, E>, size: number): Stream.Stream<Uint8Array, E> =>
  Stream.suspend(() => {
    let chunk = new Uint8Array(0)
    let length = 0
    const add = (piece: Uint8Array): ReadonlyArray<Uint8Array> => {
      const full: Array<Uint8Array> = []
      for (let rest = piece; rest.byteLength > 0;) {
        if (length === 0) chunk = new Uint8Array(size)
        const part = rest.subarray(0, size - length)
        chunk.set(part, length)
        length += part.byteLength
        rest = rest.subarray(part.byteLength)
        if (length === size) {
          full.push(chunk)
          length = 0
        }
      }
      return full
    }
    return Stream.concat(
      Stream.mapConcat(stream, add),
      Stream.suspend(() => length > 0 ? Stream.succeed(chunk.subarray(0, length)) : Stream.empty)
    )
  })
