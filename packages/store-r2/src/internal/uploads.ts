import * as Body from "@effect-oci/core/Body"
import { type Appended, BlobKey, type OpenUpload, type Service, UploadToken } from "@effect-oci/store/BlobStore"
import * as StoreError from "@effect-oci/store/StoreError"
import * as Effect from "effect/Effect"
import type { Bucket, MultipartUpload, StoredObject } from "../Bucket.js"
import { attempt, type BucketError, failed, list, remove } from "./calls.js"
import * as names from "./names.js"
import { partSize, read } from "./parts.js"

type Result<Method extends "append" | "commit" | "put"> = ReturnType<Service[Method]>

const nothing = new Uint8Array(0)

/** Bytes of an upload after its last full part. */
interface Tail {
  readonly name: string
  readonly size: number
}

/** The content of an upload token. */
interface State {
  readonly key: BlobKey
  /** The ETags of the full parts. */
  readonly parts: ReadonlyArray<string>
  readonly tails: ReadonlyArray<Tail>
}

const encode = (state: State): UploadToken => UploadToken(JSON.stringify(state))
const decode = (token: UploadToken): State => JSON.parse(token) as State

const sizeOf = ({ parts, tails }: State): number =>
  parts.length * partSize + tails.reduce((sum, { size }) => sum + size, 0)

/** Returns the state without the bytes after an offset: that of the state itself, or the end of a part. */
const cut = (state: State, offset: number): State =>
  offset === sizeOf(state) ? state : { ...state, parts: state.parts.slice(0, offset / partSize), tails: [] }

/**
 * The marker of an open upload: an empty object that says who may append. A marker is replaced only if it has not
 * changed, so that of two claims at once each sees the other.
 */
interface Marker {
  readonly etag: string
  readonly id: string
  readonly fence: number
  readonly uploadId: string | undefined
}

const markerOf = ({ customMetadata = {}, etag }: StoredObject): Marker => ({
  etag,
  id: customMetadata["id"] ?? "",
  fence: Number(customMetadata["fence"] ?? 0),
  uploadId: customMetadata["upload"]
})

/** The uploads of a bucket. All of their state is in the bucket and in the tokens, so that any worker continues them. */
export class Uploads {
  constructor(private readonly bucket: Bucket) {}

  put(key: BlobKey, body: Body.Body): Result<"put"> {
    const name = names.blob(key)
    return Effect.gen(this, function*() {
      const parts: Array<string> = []
      let upload: MultipartUpload | undefined
      const onPart = (part: Uint8Array) =>
        Effect.gen(this, function*() {
          upload ??= yield* attempt(() => this.bucket.createMultipartUpload(name))
          parts.push(yield* this.sendPart(upload, parts.length, part))
        })
      const last = yield* read(body, nothing, onPart).pipe(
        Effect.tap((last) =>
          upload === undefined
            ? attempt(() => this.bucket.put(name, last))
            : Effect.zipRight(onPart(last), this.complete(upload, parts))
        ),
        Effect.onError(() => upload === undefined ? Effect.void : this.discard(upload))
      )
      return upload === undefined ? last.byteLength : (parts.length - 1) * partSize + last.byteLength
    }).pipe(
      Effect.mapError((error) =>
        error._tag === "BodyError"
          ? new StoreError.BodyBroken({ appended: undefined, cause: error.cause })
          : failed(error)
      )
    )
  }

  open(id: string, key: BlobKey): Effect.Effect<UploadToken, StoreError.Failed> {
    return this.find(key).pipe(
      Effect.flatMap((marker) =>
        marker === undefined ? this.mark(key, { id, fence: 0, uploadId: undefined }) : Effect.void
      ),
      Effect.as(encode({ key, parts: [], tails: [] })),
      Effect.mapError(failed)
    )
  }

  append({ body, fence, offset, token }: Parameters<Service["append"]>[0]): Result<"append"> {
    return Effect.gen(this, function*() {
      const before = decode(token)
      if (sizeOf(before) < offset) return yield* Effect.fail(new StoreError.OffsetMismatch({ offset: sizeOf(before) }))
      yield* this.claim(before.key, fence)
      return yield* this.receive(cut(before, offset), fence, body)
    }).pipe(
      Effect.catchTag(
        "BucketError",
        (error) => Effect.fail(error.isLost ? new StoreError.UploadUnknown() : failed(error))
      )
    )
  }

  commit({ size, token }: Parameters<Service["commit"]>[0]): Result<"commit"> {
    return Effect.gen(this, function*() {
      const state = decode(token)
      const marker = yield* this.find(state.key)
      if (marker === undefined) return yield* this.committedBefore(state.key, size)
      if (sizeOf(state) < size) return yield* Effect.fail(new StoreError.OffsetMismatch({ offset: sizeOf(state) }))
      yield* this.assemble(cut(state, size), marker).pipe(
        // A commit that took effect before has ended the multipart upload.
        Effect.catchIf(
          (error) => error._tag === "BucketError" && error.isLost,
          () => this.committedBefore(state.key, size)
        )
      )
      yield* this.forget(state.key)
    }).pipe(Effect.catchTag("BucketError", (error) => Effect.fail(failed(error))))
  }

  abort(token: UploadToken): Effect.Effect<void, StoreError.Failed> {
    const { key } = decode(token)
    return Effect.gen(this, function*() {
      const marker = yield* this.find(key)
      if (marker === undefined) return
      yield* this.forget(key)
      if (marker.uploadId !== undefined) yield* this.discard(this.resume(key, marker.uploadId))
    }).pipe(Effect.uninterruptible, Effect.mapError(failed))
  }

  list(after: BlobKey | undefined, n: number): Effect.Effect<ReadonlyArray<OpenUpload>, StoreError.Failed> {
    return Effect.mapBoth(list(this.bucket, { prefix: names.markers, after, n }), {
      onFailure: failed,
      onSuccess: (found) =>
        found.map((object) => {
          const key = BlobKey(object.key.slice(names.markers.length))
          return { id: markerOf(object).id, key, token: encode({ key, parts: [], tails: [] }) }
        })
    })
  }

  /** Stores a body after the bytes of a state. Only full parts of a body that breaks count. */
  private receive(start: State, fence: number, body: Body.Body): Effect.Effect<Appended, AppendError | BucketError> {
    return Effect.gen(this, function*() {
      const { key } = start
      let state = start
      const onPart = (part: Uint8Array) =>
        Effect.gen(this, function*() {
          const upload = yield* this.multipart(key, fence)
          const etag = yield* this.sendPart(upload, state.parts.length, part)
          state = { key, parts: [...state.parts, etag], tails: [] }
        })
      // Bytes before the body are read only if they are a part together with it.
      const isSmall = body.size !== undefined && (sizeOf(start) % partSize) + body.size < partSize
      const first = isSmall ? nothing : yield* this.tailsOf(start)
      const last = yield* Effect.either(read(body, first, onPart))
      yield* this.check(key, fence)
      if (last._tag === "Left") {
        const { left: error } = last
        if (error._tag !== "BodyError") return yield* Effect.fail(error)
        const appended = { offset: sizeOf(state), token: encode(state) }
        return yield* Effect.fail(new StoreError.BodyBroken({ appended, cause: error.cause }))
      }
      if (last.right.byteLength === partSize) yield* onPart(last.right)
      else state = yield* this.addTail(state, fence, last.right, first)
      yield* this.check(key, fence)
      return { offset: sizeOf(state), token: encode(state) }
    })
  }

  /** Stores the bytes after the last full part. Those that the state had before are not stored again. */
  private addTail(state: State, fence: number, rest: Uint8Array, first: Uint8Array) {
    const known = state.tails.length > 0 ? first.byteLength : 0
    const added = rest.subarray(known)
    if (added.byteLength === 0) return Effect.succeed(state)
    const tail: Tail = { name: names.tail(state.key, fence, sizeOf(state)), size: added.byteLength }
    return Effect.as(
      attempt(() => this.bucket.put(tail.name, added)),
      { ...state, tails: [...state.tails, tail] }
    )
  }

  /** Reads the bytes after the last full part. */
  private tailsOf({ tails }: State): Effect.Effect<Uint8Array, BucketError | StoreError.UploadUnknown> {
    if (tails.length === 0) return Effect.succeed(nothing)
    const readTail = ({ name, size }: Tail) =>
      attempt(async () => {
        const bytes = await (await this.bucket.get(name))?.arrayBuffer()
        return bytes?.byteLength === size ? new Uint8Array(bytes) : undefined
      }).pipe(
        Effect.flatMap((bytes) =>
          bytes === undefined ? Effect.fail(new StoreError.UploadUnknown()) : Effect.succeed(bytes)
        )
      )
    return Effect.map(Effect.forEach(tails, readTail), (all) => Body.concatBytes(all))
  }

  /** Makes the bytes of a state the blob. */
  private assemble(state: State, { uploadId }: Marker): Effect.Effect<void, BucketError | StoreError.UploadUnknown> {
    return Effect.gen(this, function*() {
      const last = yield* this.tailsOf(state)
      if (state.parts.length === 0) {
        yield* attempt(() => this.bucket.put(names.blob(state.key), last))
        if (uploadId !== undefined) yield* this.discard(this.resume(state.key, uploadId))
        return
      }
      if (uploadId === undefined) return yield* Effect.fail(new StoreError.UploadUnknown())
      const upload = this.resume(state.key, uploadId)
      const etags = last.byteLength === 0
        ? state.parts
        : [...state.parts, yield* this.sendPart(upload, state.parts.length, last)]
      yield* this.complete(upload, etags)
    })
  }

  /** Succeeds if the upload has become a blob already. */
  private committedBefore(key: BlobKey, size: number) {
    return Effect.flatMap(
      attempt(() => this.bucket.head(names.blob(key))),
      (found) => found?.size === size ? Effect.void : Effect.fail(new StoreError.UploadUnknown())
    )
  }

  /** Removes the marker of an upload, so that it has ended, and then its tails. */
  private forget(key: BlobKey): Effect.Effect<void, BucketError> {
    return remove(this.bucket, [names.marker(key)]).pipe(
      Effect.zipRight(list(this.bucket, { prefix: names.tails(key), n: Infinity })),
      Effect.flatMap((tails) => remove(this.bucket, tails.map((tail) => tail.key)))
    )
  }

  private find(key: BlobKey): Effect.Effect<Marker | undefined, BucketError> {
    return Effect.map(
      attempt(() => this.bucket.head(names.marker(key))),
      (found) => found === null ? undefined : markerOf(found)
    )
  }

  /** Returns the marker of an upload that a claim may append to. */
  private check(key: BlobKey, fence: number) {
    return Effect.flatMap(
      this.find(key),
      (marker): Effect.Effect<Marker, StoreError.UploadUnknown | StoreError.Stale> =>
        marker === undefined
          ? Effect.fail(new StoreError.UploadUnknown())
          : marker.fence > fence
          ? Effect.fail(new StoreError.Stale())
          : Effect.succeed(marker)
    )
  }

  /** Claims an upload: appends with a lower fence are stale from now on. */
  private claim(
    key: BlobKey,
    fence: number
  ): Effect.Effect<void, StoreError.UploadUnknown | StoreError.Stale | BucketError> {
    return Effect.flatMap(this.check(key, fence), (marker) =>
      marker.fence === fence ? Effect.void : Effect.flatMap(
        this.mark(key, { ...marker, fence }),
        (isMarked) => isMarked ? Effect.void : this.claim(key, fence)
      ))
  }

  /** Writes a marker. Returns `false` if the one with the ETag was replaced. */
  private mark(key: BlobKey, { etag, fence, id, uploadId }: Omit<Marker, "etag"> & Partial<Marker>) {
    const customMetadata = { id, fence: String(fence), ...(uploadId === undefined ? {} : { upload: uploadId }) }
    // Equal content has an equal ETag.
    const content = new TextEncoder().encode(JSON.stringify(customMetadata))
    const options = etag === undefined ? { customMetadata } : { customMetadata, onlyIf: { etagMatches: etag } }
    return Effect.map(attempt(() => this.bucket.put(names.marker(key), content, options)), (put) => put !== null)
  }

  /** Returns the multipart upload of a session, which is created for its first full part. */
  private multipart(
    key: BlobKey,
    fence: number
  ): Effect.Effect<MultipartUpload, StoreError.UploadUnknown | StoreError.Stale | BucketError> {
    return Effect.gen(this, function*() {
      const marker = yield* this.check(key, fence)
      if (marker.uploadId !== undefined) return this.resume(key, marker.uploadId)
      const upload = yield* attempt(() => this.bucket.createMultipartUpload(names.blob(key)))
      if (yield* this.mark(key, { ...marker, uploadId: upload.uploadId })) return upload
      // Another claim, or the same call that was tried again, has replaced the marker.
      if ((yield* this.find(key))?.uploadId === upload.uploadId) return upload
      yield* this.discard(upload)
      return yield* this.multipart(key, fence)
    })
  }

  private resume(key: BlobKey, uploadId: string): MultipartUpload {
    return this.bucket.resumeMultipartUpload(names.blob(key), uploadId)
  }

  /** Sends the part at an index. Returns its ETag. */
  private sendPart(upload: MultipartUpload, index: number, part: Uint8Array): Effect.Effect<string, BucketError> {
    return Effect.map(attempt(() => upload.uploadPart(index + 1, part)), ({ etag }) => etag)
  }

  private complete(upload: MultipartUpload, etags: ReadonlyArray<string>): Effect.Effect<void, BucketError> {
    return Effect.asVoid(attempt(() => upload.complete(etags.map((etag, at) => ({ partNumber: at + 1, etag })))))
  }

  /** Aborts a multipart upload. R2 does so itself after seven days. */
  private discard(upload: MultipartUpload): Effect.Effect<void> {
    return Effect.ignore(attempt(() => upload.abort()))
  }
}

type AppendError = Effect.Effect.Error<Result<"append">>
