import * as Answer from "@effect-oci/core/Answer"
import * as Body from "@effect-oci/core/Body"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import * as BlobStore from "../BlobStore.js"
import type { Content } from "./memoryContent.js"
import * as memoryContent from "./memoryContent.js"
import type { Room } from "./room.js"

interface Upload {
  readonly id: string
  readonly chunks: Array<Uint8Array>
  size: number
  touchedAt: number
}

interface Blob extends Content {
  readonly whole: Body.Body
}

type Result<Method extends "append" | "commit"> = ReturnType<BlobStore.Service[Method]>

interface State {
  readonly room: Room
  readonly uploads: Map<BlobStore.UploadToken, Upload>
}

/**
 * Receives a chunk. It is collected separately, and counts when it is complete. Therefore a body that fails does not change
 * the upload, and of two chunks at one offset the first that is complete wins.
 */
const receive = (
  { room, uploads }: State,
  token: BlobStore.UploadToken,
  upload: Upload,
  body: Body.Body
): Result<"append"> => {
  const offset = upload.size
  const gathered = memoryContent.gather(body.size)
  let size = 0
  let full = false
  const takeRoom = (chunk: Uint8Array) => {
    full = !room.take(chunk.byteLength)
    if (full) return new RegistryError.Denied({})
    size += chunk.byteLength
    return undefined
  }
  const add = (touchedAt: number): Result<"append"> => {
    if (uploads.get(token) !== upload) return Effect.fail(new BlobStore.UploadUnknown())
    if (upload.size !== offset) return Effect.fail(new BlobStore.OffsetMismatch({ offset: upload.size }))
    for (const chunk of gathered.end().chunks) upload.chunks.push(chunk)
    upload.size += size
    upload.touchedAt = touchedAt
    return Effect.succeed({ offset: upload.size, token })
  }
  return Body.forEachChunk(Body.inspect(body, () => ({ update: takeRoom })), gathered.add).pipe(
    Effect.mapError((cause) => full ? new BlobStore.Full() : new BlobStore.BodyBroken({ offset: upload.size, cause })),
    Effect.zipRight(Effect.flatMap(Clock.currentTimeMillis, add)),
    Effect.onExit((exit) =>
      Effect.sync(() => {
        if (Exit.isFailure(exit)) room.release(size)
      })
    )
  )
}

/** Creates a blob store in memory. A read is settled. Its bytes count against `room`. */
export const make = (room: Room): BlobStore.Service => {
  const blobs = new Map<BlobStore.BlobKey, Blob>()
  const uploads = new Map<BlobStore.UploadToken, Upload>()
  return {
    read: (key, span) => {
      const blob = blobs.get(key)
      if (blob === undefined) return Answer.fail(new BlobStore.NotFound({ key }))
      if (span === undefined) return Answer.succeed(blob.whole)
      return span.offset + span.length > blob.size
        ? Answer.fail(new BlobStore.RangeInvalid({ key, size: blob.size }))
        : Answer.succeed(memoryContent.toBody(blob, span))
    },
    openUpload: (id) =>
      Effect.map(Clock.currentTimeMillis, (touchedAt) => {
        const token = BlobStore.UploadToken(id)
        uploads.set(token, { id, chunks: [], size: 0, touchedAt })
        return token
      }),
    append: (token, offset, body) =>
      Effect.suspend((): Result<"append"> => {
        const upload = uploads.get(token)
        if (upload === undefined) return Effect.fail(new BlobStore.UploadUnknown())
        return upload.size === offset
          ? receive({ room, uploads }, token, upload, body)
          : Effect.fail(new BlobStore.OffsetMismatch({ offset: upload.size }))
      }),
    commit: (token, key, size) =>
      Effect.suspend((): Result<"commit"> => {
        const upload = uploads.get(token)
        if (upload === undefined) {
          return blobs.get(key)?.size === size ? Effect.void : Effect.fail(new BlobStore.UploadUnknown())
        }
        if (upload.size !== size) return Effect.fail(new BlobStore.OffsetMismatch({ offset: upload.size }))
        uploads.delete(token)
        const content: Content = { chunks: upload.chunks, size }
        blobs.set(key, { ...content, whole: memoryContent.toBody(content) })
        return Effect.void
      }),
    abort: (token) =>
      Effect.sync(() => {
        room.release(uploads.get(token)?.size ?? 0)
        uploads.delete(token)
      }),
    listUploads: (olderThan) =>
      Stream.suspend(() =>
        Stream.fromIterable(
          Array.from(uploads).flatMap(([token, { id, touchedAt }]) => touchedAt < olderThan ? [{ id, token }] : [])
        )
      ),
    delete: (key) =>
      Effect.sync(() => {
        room.release(blobs.get(key)?.size ?? 0)
        blobs.delete(key)
      })
  }
}
