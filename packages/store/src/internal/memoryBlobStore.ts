import * as Answer from "@effect-oci/core/Answer"
import * as Body from "@effect-oci/core/Body"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as BlobStore from "../BlobStore.js"
import * as StoreError from "../StoreError.js"
import type { Content } from "./memoryContent.js"
import * as memoryContent from "./memoryContent.js"
import { OrderedMap } from "./orderedMap.js"
import type { Room } from "./room.js"

interface Upload {
  readonly id: string
  readonly key: BlobStore.BlobKey
  fence: number
  chunks: Array<Uint8Array>
  size: number
}

interface Blob extends Content {
  readonly key: BlobStore.BlobKey
  readonly whole: Body.Body
}

type Result<Method extends "append" | "commit"> = ReturnType<BlobStore.Service[Method]>

type AppendFailure = StoreError.UploadUnknown | StoreError.Stale | StoreError.BodyBroken

const uploadUnknown = Effect.fail(new StoreError.UploadUnknown())
const ended = new RegistryError.BodyFailed({ reason: "another request continues the upload" })

interface Receiving<A, E> {
  readonly body: Body.Body
  /** Is called before each chunk. If it returns an error, the body is stopped. */
  readonly check?: () => RegistryError.RegistryError | undefined
  /** Converts the error of the body. */
  readonly onBroken: (cause: RegistryError.RegistryError) => E
  /** Uses the content when it is complete. Therefore a body that fails changes nothing. */
  readonly use: (content: Content) => Effect.Effect<A, E>
}

/** Receives a body in memory. */
const receive = <A, E>(
  room: Room,
  { body, check, onBroken, use }: Receiving<A, E>
): Effect.Effect<A, E | StoreError.Full> => {
  const gathered = memoryContent.gather(body.size)
  let size = 0
  let full = false
  const update = (chunk: Uint8Array) => {
    const stopped = check?.()
    if (stopped !== undefined) return stopped
    full = !room.take(chunk.byteLength)
    if (full) return new RegistryError.Denied({})
    size += chunk.byteLength
    return undefined
  }
  return Body.forEachChunk(Body.inspect(body, () => ({ update })), gathered.add).pipe(
    Effect.mapError((cause) => full ? new StoreError.Full() : onBroken(cause)),
    Effect.zipRight(Effect.suspend(() => use(gathered.end()))),
    Effect.onExit((exit) =>
      Effect.sync(() => {
        if (Exit.isFailure(exit)) room.release(size)
      })
    )
  )
}

/** A blob store in memory. The token of an upload is its key. */
class Blobs {
  readonly blobs = new OrderedMap<BlobStore.BlobKey, Blob>()
  readonly uploads = new OrderedMap<BlobStore.BlobKey, Upload>()

  constructor(private readonly room: Room) {}

  store(key: BlobStore.BlobKey, content: Content): void {
    this.blobs.set(key, { key, ...content, whole: memoryContent.toBody(content) })
  }

  private truncate(upload: Upload, size: number): void {
    if (upload.size === size) return
    this.room.release(upload.size - size)
    upload.chunks = memoryContent.cut(upload.chunks, { offset: 0, length: size })
    upload.size = size
  }

  append({ body, fence, offset, token }: Parameters<BlobStore.Service["append"]>[0]): Result<"append"> {
    const key = BlobStore.BlobKey(token)
    const upload = this.uploads.get(key)
    if (upload === undefined) return uploadUnknown
    if (upload.fence > fence) return Effect.fail(new StoreError.Stale())
    if (upload.size < offset) return Effect.fail(new StoreError.OffsetMismatch({ offset: upload.size }))
    upload.fence = fence
    const isStale = () => upload.fence > fence
    return receive(this.room, {
      body,
      check: () => isStale() ? ended : undefined,
      onBroken: (cause): AppendFailure =>
        isStale() ? new StoreError.Stale() : new StoreError.BodyBroken({ appended: { offset, token }, cause }),
      use: (content): Effect.Effect<BlobStore.Appended, AppendFailure> => {
        if (this.uploads.get(key) !== upload) return uploadUnknown
        if (isStale()) return Effect.fail(new StoreError.Stale())
        this.truncate(upload, offset)
        for (const chunk of content.chunks) upload.chunks.push(chunk)
        upload.size += content.size
        return Effect.succeed({ offset: upload.size, token })
      }
    })
  }

  commit(token: BlobStore.UploadToken, size: number): Result<"commit"> {
    const key = BlobStore.BlobKey(token)
    const upload = this.uploads.get(key)
    if (upload === undefined) return this.blobs.get(key)?.size === size ? Effect.void : uploadUnknown
    if (upload.size < size) return Effect.fail(new StoreError.OffsetMismatch({ offset: upload.size }))
    this.uploads.delete(key)
    this.truncate(upload, size)
    this.store(key, { chunks: upload.chunks, size })
    return Effect.void
  }

  abort(token: BlobStore.UploadToken): void {
    const key = BlobStore.BlobKey(token)
    this.room.release(this.uploads.get(key)?.size ?? 0)
    this.uploads.delete(key)
  }

  delete(key: BlobStore.BlobKey): void {
    this.room.release(this.blobs.get(key)?.size ?? 0)
    this.blobs.delete(key)
  }
}

/** Creates a blob store in memory. A read is settled. Its bytes count against `room`. */
export const make = (room: Room): BlobStore.Service => {
  const store = new Blobs(room)
  return {
    granularity: 1,
    put: ({ body, key }) =>
      Effect.suspend(() =>
        receive(room, {
          body,
          onBroken: (cause) => new StoreError.BodyBroken({ appended: undefined, cause }),
          use: (content) =>
            Effect.sync(() => {
              store.store(key, content)
              return content.size
            })
        })
      ),
    read: (key, span) => {
      const blob = store.blobs.get(key)
      if (blob === undefined) return Answer.fail(new StoreError.NotFound({ key }))
      if (span === undefined) return Answer.succeed(blob.whole)
      return span.offset + span.length > blob.size
        ? Answer.fail(new StoreError.RangeInvalid({ key, size: blob.size }))
        : Answer.succeed(memoryContent.toBody(blob, span))
    },
    openUpload: ({ id, key }) =>
      Effect.sync(() => {
        if (store.uploads.get(key) === undefined) store.uploads.set(key, { id, key, fence: 0, chunks: [], size: 0 })
        return BlobStore.UploadToken(key)
      }),
    append: (append) => Effect.suspend(() => store.append(append)),
    commit: ({ size, token }) => Effect.suspend(() => store.commit(token, size)),
    abort: (token) => Effect.sync(() => store.abort(token)),
    delete: (keys) =>
      Effect.sync(() => {
        for (const key of keys) store.delete(key)
        return keys
      }),
    list: (after, n) => Effect.sync(() => store.blobs.page(after, n).map(({ key, size }) => ({ key, size }))),
    listUploads: (after, n) =>
      Effect.sync(() =>
        store.uploads.page(after, n).map(({ id, key }) => ({ id, key, token: BlobStore.UploadToken(key) }))
      )
  }
}
