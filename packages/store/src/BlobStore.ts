/**
 * The service that stores the bytes of blobs.
 *
 * @since 0.1.0
 */
import type * as Body from "@effect-oci/core/Body"
import type { Span } from "@effect-oci/core/ByteRange"
import type { Digest } from "@effect-oci/core/Digest"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Appended, BlobKey, UploadToken } from "./BlobStoreModel.js"
import type * as StoreError from "./StoreError.js"

export * from "./BlobStoreModel.js"

/**
 * Bytes that the store has under a key.
 *
 * @since 0.1.0
 * @category models
 */
export interface StoredBytes {
  readonly key: BlobKey
  readonly size: number
}

/**
 * An open upload in a blob store.
 *
 * @since 0.1.0
 * @category models
 */
export interface OpenUpload {
  readonly id: string
  readonly key: BlobKey
  readonly token: UploadToken
}

/**
 * Stores bytes by key, and uploads that will become bytes under a key. A `MetadataStore` stores everything else: which
 * repositories have the bytes, their digest, and the offset of each upload session. The caller chooses all keys, in
 * ascending order, and verifies the bytes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /**
   * The multiple at which the offset of an upload can become durable, in bytes. 1 if it can anywhere, as in a file. A
   * server sends it as `OCI-Chunk-Min-Length`.
   */
  readonly granularity: number
  /**
   * Stores all bytes of a body under a key, durable, or nothing. Returns their number. The store runs the body once, and
   * may keep its chunks without a copy. `size` and `digest` are what the caller knows of the body; the body itself fails
   * if it does not have them.
   */
  readonly put: (put: {
    readonly key: BlobKey
    readonly body: Body.Body
    readonly size?: number | undefined
    readonly digest?: Digest | undefined
  }) => Effect.Effect<number, StoreError.BodyBroken | StoreError.DigestWrong | StoreError.Full | StoreError.Failed>
  /**
   * Returns the bytes under a key, or a span of them. The end of the scope, or an interruption, closes the open
   * resources. A later error fails the body with `RegistryError.Unavailable`, whose cause is a `Truncated` or a
   * `Failed`.
   */
  readonly read: (
    key: BlobKey,
    span?: Span
  ) => Effect.Effect<
    Body.Body,
    StoreError.NotFound | StoreError.RangeInvalid | StoreError.Truncated | StoreError.Failed,
    Scope.Scope
  >
  /**
   * Opens an upload, whose bytes will have the key. `size` is the expected number of bytes, if known. Two requests may
   * open the same upload at once: the second one succeeds and gets an equal token.
   */
  readonly openUpload: (open: {
    readonly id: string
    readonly key: BlobKey
    readonly size?: number | undefined
  }) => Effect.Effect<UploadToken, StoreError.Full | StoreError.Failed>
  /**
   * Appends a chunk at `offset`, the offset that the metadata store has. Discards what the upload has after `offset`:
   * those bytes were never reported to a client. Fails with `OffsetMismatch` if the upload has fewer bytes. Bytes count
   * only after they are durable.
   *
   * `fence` is the number of the claim of the upload session. An append with a higher fence ends the appends with lower
   * ones, which fail with `Stale`. Their bytes never replace bytes of the newer append.
   */
  readonly append: (append: {
    readonly token: UploadToken
    readonly fence: number
    readonly offset: number
    readonly body: Body.Body
  }) => Effect.Effect<
    Appended,
    | StoreError.UploadUnknown
    | StoreError.OffsetMismatch
    | StoreError.Stale
    | StoreError.BodyBroken
    | StoreError.Full
    | StoreError.Failed
  >
  /**
   * Ends an upload: stores its first `size` bytes under its key. Atomic and idempotent. Fails with `OffsetMismatch` if
   * the upload has fewer bytes.
   */
  readonly commit: (commit: {
    readonly token: UploadToken
    readonly size: number
  }) => Effect.Effect<void, StoreError.UploadUnknown | StoreError.OffsetMismatch | StoreError.Failed>
  /** Aborts an upload: it can no longer be committed. Succeeds if the upload is unknown. */
  readonly abort: (token: UploadToken) => Effect.Effect<void, StoreError.Failed>
  /**
   * Deletes the bytes under keys. Returns the keys that have no bytes any more, those that never had any included. A
   * caller repeats the delete of the others later.
   */
  readonly delete: (keys: ReadonlyArray<BlobKey>) => Effect.Effect<ReadonlyArray<BlobKey>, StoreError.Failed>
  /**
   * Lists stored bytes, ordered by key: at most `n` after the key `after`, which need not exist. A page with fewer than
   * `n` items is the last page.
   */
  readonly list: (
    after: BlobKey | undefined,
    n: number
  ) => Effect.Effect<ReadonlyArray<StoredBytes>, StoreError.Failed>
  /** Lists open uploads, ordered by key, in pages as `list`. */
  readonly listUploads: (
    after: BlobKey | undefined,
    n: number
  ) => Effect.Effect<ReadonlyArray<OpenUpload>, StoreError.Failed>
  /**
   * Returns a URL at which a client can fetch the bytes directly, valid for `ttl`, or `undefined` if there is none. Only
   * for stores that have such URLs.
   */
  readonly redirectUrl?: (
    key: BlobKey,
    ttl: Duration.Duration
  ) => Effect.Effect<URL | undefined, StoreError.Failed>
}

/**
 * The service that stores the bytes of blobs.
 *
 * @since 0.1.0
 * @category services
 */
export class BlobStore extends Context.Tag("@effect-oci/store/BlobStore")<BlobStore, Service>() {}
