import * as Body from "@effect-oci/core/Body"
import * as KeyedMutex from "@effect-oci/core/KeyedMutex"
import { LruMap } from "@effect-oci/core/LruMap"
import type { RegistryError } from "@effect-oci/core/RegistryError"
import type { Appended, BlobKey, Service, UploadToken } from "@effect-oci/store/BlobStore"
import * as StoreError from "@effect-oci/store/StoreError"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import type { S3Error } from "../S3Error.js"
import type { Api } from "./api.js"
import type { MakeBuffers } from "./buffers.js"
import * as failures from "./failures.js"
import * as names from "./names.js"
import * as parts from "./parts.js"
import type { Reader } from "./reading.js"
import type { Settings } from "./settings.js"
import * as states from "./uploadState.js"
import type { Tail, UploadState } from "./uploadState.js"

type Result<Method extends "append" | "commit"> = ReturnType<Service[Method]>

type PieceFailure = StoreError.UploadUnknown | StoreError.Full | StoreError.Failed | S3Error

type Ended = Deferred.Deferred<never, StoreError.Stale | StoreError.UploadUnknown>

/** How many uploads this process remembers to be open. Others cost a call before their next append. */
const maxKnown = 10_000

export const failed = (cause: S3Error): StoreError.Failed => new StoreError.Failed({ cause })

export const failedOrFull = (error: S3Error): StoreError.Failed | StoreError.Full =>
  failures.isFull(error) ? new StoreError.Full() : failed(error)

const unknownCodes = new Set(["NoSuchUpload", "NoSuchKey", "InvalidPart", "InvalidPartOrder", "EntityTooSmall"])

/** Returns whether an error says that S3 has no longer what the token of an upload names. */
const isLost = ({ code }: S3Error): boolean => code !== undefined && unknownCodes.has(code)

const unknown = () => new StoreError.UploadUnknown()

const failedFullOrUnknown = (error: S3Error) => isLost(error) ? unknown() : failedOrFull(error)

/** The result of sending a piece of a chunk: a part, or the tails that follow the parts. */
interface Sent {
  readonly etag?: string | undefined
  readonly tails?: ReadonlyArray<Tail> | undefined
  /** The error that ended the body after the piece. */
  readonly error: RegistryError | undefined
}

/**
 * Manages upload sessions. The token of an upload contains its state, so an upload can continue in any process. This
 * process only knows which appends run here.
 */
export class Uploads {
  private readonly running = new Map<BlobKey, { readonly fence: number; readonly ended: Ended }>()
  private readonly known = new LruMap<BlobKey, true>(maxKnown)
  private readonly mutex = KeyedMutex.make()

  constructor(
    private readonly api: Api,
    private readonly reader: Reader,
    private readonly buffers: MakeBuffers,
    private readonly settings: Settings
  ) {}

  open({ id, key }: Parameters<Service["openUpload"]>[0]): ReturnType<Service["openUpload"]> {
    return Effect.mapBoth(this.api.putObject(names.marker({ id, key }), new Uint8Array(0)), {
      onFailure: failedOrFull,
      onSuccess: () => {
        this.known.set(key, true)
        return states.encode(states.opened(key, id, this.settings.partSize))
      }
    })
  }

  append({ body, fence, offset, token }: Parameters<Service["append"]>[0]): Result<"append"> {
    return Effect.suspend((): Result<"append"> => {
      const state = states.decode(token)
      if (state === undefined) return Effect.fail(unknown())
      const { key } = state
      const current = this.running.get(key)
      if (fence < state.fence || (current !== undefined && fence <= current.fence)) {
        return Effect.fail(new StoreError.Stale())
      }
      const size = states.sizeOf(state)
      if (offset > size) return this.mismatch(state, size)
      const kept = states.truncate(state, offset)
      if (kept === undefined) return this.mismatch(state, states.partStart(state, offset))
      this.end(key, new StoreError.Stale())
      const ended: Ended = Deferred.unsafeMake(FiberId.none)
      this.running.set(key, { fence, ended })
      const own = this.mutex(key)(Effect.zipRight(this.check(state), this.appendTo({ ...kept, fence }, body)))
      return Effect.ensuring(
        Effect.raceFirst(own, Deferred.await(ended)),
        Effect.sync(() => {
          if (this.running.get(key)?.ended === ended) this.running.delete(key)
        })
      )
    })
  }

  commit({ size, token }: Parameters<Service["commit"]>[0]): Result<"commit"> {
    return Effect.suspend((): Result<"commit"> => {
      const state = states.decode(token)
      if (state === undefined) return Effect.fail(unknown())
      const found = states.sizeOf(state)
      if (size > found) return this.mismatch(state, found)
      const kept = states.truncate(state, size)
      if (kept === undefined) return this.mismatch(state, states.partStart(state, size))
      this.end(state.key, unknown())
      return this.mutex(state.key)(Effect.uninterruptible(this.commitAs(kept, size)))
    })
  }

  /** Aborts an upload. A body that aborts its own upload is interrupted, but the abort is not. */
  abort(token: UploadToken): Effect.Effect<void, StoreError.Failed> {
    return Effect.uninterruptible(Effect.suspend(() => {
      const state = states.decode(token)
      if (state === undefined) return Effect.void
      this.end(state.key, unknown())
      this.known.delete(state.key)
      return Effect.mapError(this.mutex(state.key)(this.removeRest(state.key, true)), failed)
    }))
  }

  /** Ends the append that runs in this process. */
  private end(key: BlobKey, why: StoreError.Stale | StoreError.UploadUnknown): void {
    const current = this.running.get(key)
    if (current !== undefined) Deferred.unsafeDone(current.ended, Effect.fail(why))
    this.running.delete(key)
  }

  /** Fails if an upload was committed or aborted. An upload that this process opened costs no call. */
  private check(state: UploadState): Effect.Effect<void, StoreError.UploadUnknown | StoreError.Failed> {
    return this.known.get(state.key) === undefined ? this.checkOpen(state) : Effect.void
  }

  /** Fails because an upload has other bytes than requested, if it is still open. */
  private mismatch(state: UploadState, offset: number) {
    return Effect.zipRight(this.checkOpen(state), Effect.fail(new StoreError.OffsetMismatch({ offset })))
  }

  private checkOpen(state: UploadState): Effect.Effect<void, StoreError.UploadUnknown | StoreError.Failed> {
    return this.api.headObject(names.marker(state)).pipe(
      Effect.mapError(failed),
      Effect.filterOrFail((size) => size !== undefined, unknown),
      Effect.map(() => this.known.set(state.key, true))
    )
  }

  /** Receives a chunk after the bytes of a state. Full parts become parts of the multipart upload. */
  private appendTo(state: UploadState, body: Body.Body): Result<"append"> {
    return Effect.gen(this, function*() {
      const name = names.blob(state.key)
      const uploadId = yield* Effect.cached(
        state.uploadId === undefined ? this.createMultipartUpload(state) : Effect.succeed(state.uploadId)
      )
      const { partSize } = state
      const sizeOfPart = (index: number) => index === 0 ? partSize - states.tailsSize(state.tails) : partSize
      const sendPart = (bytes: Uint8Array, index: number) =>
        Effect.gen(this, function*() {
          const part = index === 0 ? yield* this.withTails(state, state.tails, bytes) : bytes
          const upload = { name, uploadId: yield* uploadId }
          return yield* Effect.mapError(
            this.api.uploadPart(upload, state.etags.length + index + 1, part),
            failedFullOrUnknown
          )
        })
      const sent = yield* parts.receive<Sent, PieceFailure>({
        body,
        buffers: this.buffers,
        concurrency: this.settings.concurrency,
        sizeOfPart,
        send: ({ bytes, end }, index) => {
          const error = end?.error
          if (bytes.byteLength === sizeOfPart(index)) {
            return Effect.map(sendPart(bytes, index), (etag) => ({ etag, error }))
          }
          const before = index === 0 ? state.tails : []
          if (bytes.byteLength === 0 || error !== undefined) return Effect.succeed({ tails: before, error })
          const etagCount = state.etags.length + index
          return Effect.map(this.sendTail(state, etagCount, before, bytes), (tails) => ({ tails, error }))
        }
      })
      return yield* this.appended(state, uploadId, sent)
    }).pipe(Effect.catchTag("OciS3Error", (error) => Effect.fail(failedFullOrUnknown(error))))
  }

  /** Creates the multipart upload. An object remembers it, so that a commit of an upload without parts need not look. */
  private createMultipartUpload(state: UploadState): Effect.Effect<string, S3Error> {
    return Effect.zipRight(
      this.api.putObject(names.partsMarker(state), new Uint8Array(0)),
      this.api.createMultipartUpload(names.blob(state.key))
    )
  }

  /** Returns the result of an append. */
  private appended(
    state: UploadState,
    uploadId: Effect.Effect<string, S3Error>,
    sent: ReadonlyArray<Sent>
  ): Effect.Effect<Appended, StoreError.BodyBroken | S3Error> {
    return Effect.gen(function*() {
      const etags = sent.flatMap(({ etag }) => etag ?? [])
      const next: UploadState = {
        ...state,
        uploadId: etags.length === 0 ? state.uploadId : yield* uploadId,
        etags: [...state.etags, ...etags],
        tails: sent.at(-1)?.tails ?? []
      }
      const appended = { offset: states.sizeOf(next), token: states.encode(next) }
      const cause = sent.at(-1)?.error
      return cause === undefined ? appended : yield* Effect.fail(new StoreError.BodyBroken({ appended, cause }))
    })
  }

  /**
   * Stores the bytes after the parts in an object of their own. The object replaces the tails before it that are not
   * longer, so an upload in many small chunks has few tails.
   */
  private sendTail(state: UploadState, partCount: number, before: ReadonlyArray<Tail>, bytes: Uint8Array) {
    let size = bytes.byteLength
    let count = before.length
    for (; count > 0 && before[count - 1]!.used <= size; count--) size += before[count - 1]!.used
    const kept = before.slice(0, count)
    const offset = partCount * state.partSize + states.tailsSize(kept)
    return Effect.flatMap(
      this.withTails(state, before, bytes, count),
      (content) =>
        Effect.mapBoth(this.api.putObject(names.tail(state, state.fence, offset, size), content), {
          onFailure: failedOrFull,
          onSuccess: (): ReadonlyArray<Tail> => [...kept, { fence: state.fence, size, used: size }]
        })
    )
  }

  /** Returns the bytes of the tails from an index, followed by other bytes. */
  private withTails(
    state: UploadState,
    tails: ReadonlyArray<Tail>,
    bytes: Uint8Array,
    from = 0
  ): Effect.Effect<Uint8Array, StoreError.UploadUnknown | StoreError.Failed> {
    let offset = states.partsSize(state)
    const placed = tails.map((tail) => {
      const at = offset
      offset += tail.used
      return { ...tail, offset: at }
    })
    return Effect.map(
      Effect.forEach(
        placed.slice(from),
        ({ fence, offset, size, used }) => this.reader.firstBytes(names.tail(state, fence, offset, size), used),
        { concurrency: 4 }
      ),
      (found) => Body.concatBytes([...found, bytes])
    ).pipe(
      Effect.mapError((error) =>
        error._tag === "OciStoreNotFound" || error._tag === "OciStoreRangeInvalid" || error._tag === "OciStoreTruncated"
          ? unknown()
          : error._tag === "OciStoreFailed"
          ? error
          : new StoreError.Failed({ cause: error })
      )
    )
  }

  /** Stores the bytes of a state under its key. */
  private commitAs(state: UploadState, size: number): Result<"commit"> {
    const { key } = state
    const stored = state.etags.length > 0 ? this.complete(state) : this.putWhole(state, size)
    return stored.pipe(
      // The upload may have been committed before, also by a call that seemed to fail.
      Effect.catchAll((error) =>
        Effect.flatMap(
          Effect.mapError(this.api.headObject(names.blob(key)), failed),
          (found) => found === size ? Effect.void : Effect.fail(error)
        )
      ),
      Effect.zipRight(Effect.mapError(this.removeRest(key, false), failed)),
      Effect.map(() => this.known.delete(key))
    )
  }

  /** Stores an upload without parts in one call. */
  private putWhole(state: UploadState, size: number) {
    const content = size === 0
      ? Effect.as(this.checkOpen(state), new Uint8Array(0))
      : this.withTails(state, state.tails, new Uint8Array(0))
    return Effect.flatMap(
      content,
      (bytes) => Effect.mapError(this.api.putObject(names.blob(state.key), bytes), failed)
    )
  }

  /** Completes the multipart upload of a state. The bytes after the parts become the last part. */
  private complete(state: UploadState) {
    return Effect.gen(this, function*() {
      const upload = { name: names.blob(state.key), uploadId: state.uploadId ?? "" }
      const last = state.tails.length === 0
        ? []
        : [
          yield* Effect.flatMap(
            this.withTails(state, state.tails, new Uint8Array(0)),
            (bytes) => this.api.uploadPart(upload, state.etags.length + 1, bytes)
          )
        ]
      yield* this.api.completeMultipartUpload(upload, [...state.etags, ...last])
    }).pipe(
      Effect.catchTag("OciS3Error", (error) => Effect.fail(isLost(error) ? unknown() : failed(error)))
    )
  }

  /**
   * Removes all that uploads with a key left, apart from the blob. The token does not name all of it: an append whose
   * token was lost may have left tails and parts.
   */
  private removeRest(key: BlobKey, mayHaveParts: boolean): Effect.Effect<void, S3Error> {
    return Effect.gen(this, function*() {
      const objects = (yield* this.api.listAllObjects(names.foldersOf(key))).map(({ name }) => name)
      if (mayHaveParts || objects.some(names.isPartsMarker)) yield* this.api.abortMultipartUploads(names.blob(key))
      yield* this.removeObjects(objects)
    })
  }

  private removeObjects(all: ReadonlyArray<string>): Effect.Effect<void, S3Error> {
    if (all.length === 0) return Effect.void
    return Effect.flatMap(this.api.deleteAll(all), (gone) => {
      const left = all.find((name) => !gone.has(name))
      return left === undefined ? Effect.void : Effect.fail(this.api.notDeleted(left))
    })
  }
}
