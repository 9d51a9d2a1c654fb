/**
 * The service that stores the bytes of blobs.
 *
 * @since 0.1.0
 */
import type * as Body from "@effect-oci/core/Body"
import type { Span } from "@effect-oci/core/ByteRange"
import type { RegistryError } from "@effect-oci/core/RegistryError"
import * as Brand from "effect/Brand"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"

/**
 * The key of stored bytes: letters, digits and dashes, valid in a file name and a URL. A key is not a digest: bytes
 * that are pushed again after a delete have a new key, so a late delete cannot remove them.
 *
 * @since 0.1.0
 * @category models
 */
export type BlobKey = string & Brand.Brand<"BlobKey">

/**
 * Creates a {@link BlobKey} from a string. Does not validate the string.
 *
 * @since 0.1.0
 * @category constructors
 */
export const BlobKey: Brand.Brand.Constructor<BlobKey> = Brand.nominal<BlobKey>()

/**
 * The state that a store needs to resume an upload, as text. The token is stored with the metadata of the upload
 * session, and may change with each chunk.
 *
 * @since 0.1.0
 * @category models
 */
export type UploadToken = string & Brand.Brand<"UploadToken">

/**
 * Creates an {@link UploadToken} from a string. Does not validate the string.
 *
 * @since 0.1.0
 * @category constructors
 */
export const UploadToken: Brand.Brand.Constructor<UploadToken> = Brand.nominal<UploadToken>()

/**
 * The result of an append: how many bytes of the upload are durable, and the token to resume with.
 *
 * @since 0.1.0
 * @category models
 */
export interface Appended {
  readonly offset: number
  readonly token: UploadToken
}

/**
 * An open upload in a blob store.
 *
 * @since 0.1.0
 * @category models
 */
export interface OpenUpload {
  readonly id: string
  readonly token: UploadToken
}

/**
 * The store has no bytes under the key.
 *
 * @since 0.1.0
 * @category errors
 */
export class NotFound extends Data.TaggedClass("NotFound")<{ readonly key: BlobKey }> {}

/**
 * Some of the stored bytes are lost: the store now has fewer bytes than before.
 *
 * @since 0.1.0
 * @category errors
 */
export class Truncated extends Data.TaggedClass("Truncated")<{ readonly key: BlobKey; readonly size: number }> {}

/**
 * The span is not within the stored bytes. `size` is the number of stored bytes.
 *
 * @since 0.1.0
 * @category errors
 */
export class RangeInvalid extends Data.TaggedClass("RangeInvalid")<{ readonly key: BlobKey; readonly size: number }> {}

/**
 * The upload was committed, aborted, or never opened.
 *
 * @since 0.1.0
 * @category errors
 */
export class UploadUnknown extends Data.TaggedClass("UploadUnknown") {}

/**
 * The chunk does not begin at the `offset` of the upload, or the size to commit differs from the bytes that the upload
 * has.
 *
 * @since 0.1.0
 * @category errors
 */
export class OffsetMismatch extends Data.TaggedClass("OffsetMismatch")<{ readonly offset: number }> {}

/**
 * The body failed before its end. `offset` is the number of bytes of the upload that are durable.
 *
 * @since 0.1.0
 * @category errors
 */
export class BodyBroken
  extends Data.TaggedClass("BodyBroken")<{ readonly offset: number; readonly cause: RegistryError }>
{}

/**
 * The store has no room for more bytes.
 *
 * @since 0.1.0
 * @category errors
 */
export class Full extends Data.TaggedClass("Full") {}

/**
 * The store itself failed, for example its disk, its network or its service.
 *
 * @since 0.1.0
 * @category errors
 */
export class Failed extends Data.TaggedError("Failed")<{ readonly cause: unknown }> {}

/**
 * Stores bytes by key, and uploads that will become bytes under a key. A `MetadataStore` stores everything else: which
 * repositories have the bytes, their digest, and the offset of each upload session.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /**
   * Returns the bytes under a key, or a span of them. The end of the scope, or an interruption, closes the open
   * resources. A later error fails the body with `RegistryError.Unavailable`, whose cause is a {@link Truncated} or a
   * {@link Failed}.
   */
  readonly read: (
    key: BlobKey,
    span?: Span
  ) => Effect.Effect<Body.Body, NotFound | RangeInvalid | Truncated | Failed, Scope.Scope>
  /** Opens an upload. */
  readonly openUpload: (id: string) => Effect.Effect<UploadToken, Failed>
  /**
   * Appends a chunk at `offset`, which must be the current offset of the upload. The store runs the body once, and may
   * keep its chunks without a copy. Bytes count only after they are durable. Of two chunks for one offset, only one
   * ever counts.
   */
  readonly append: (
    token: UploadToken,
    offset: number,
    body: Body.Body
  ) => Effect.Effect<Appended, UploadUnknown | OffsetMismatch | BodyBroken | Full | Failed>
  /**
   * Ends an upload of `size` bytes and stores its bytes under `key`. Atomic and idempotent. The key was never used
   * before. The caller must know that the bytes are correct.
   */
  readonly commit: (
    token: UploadToken,
    key: BlobKey,
    size: number
  ) => Effect.Effect<void, UploadUnknown | OffsetMismatch | Failed>
  /** Aborts an upload: it can no longer be committed. Succeeds if the upload is unknown. */
  readonly abort: (token: UploadToken) => Effect.Effect<void, Failed>
  /** Lists the uploads that have received nothing since `olderThan`, in milliseconds since 1970. */
  readonly listUploads: (olderThan: number) => Stream.Stream<OpenUpload, Failed>
  /** Deletes the bytes under a key. Succeeds if the key has none. */
  readonly delete: (key: BlobKey) => Effect.Effect<void, Failed>
  /**
   * Returns a URL at which a client can fetch the bytes directly, valid for `ttl`. Only for stores that have such URLs.
   */
  readonly redirectUrl?: (key: BlobKey, ttl: Duration.Duration) => Effect.Effect<Option.Option<URL>, Failed>
}

/**
 * The service that stores the bytes of blobs.
 *
 * @since 0.1.0
 * @category services
 */
export class BlobStore extends Context.Tag("@effect-oci/store/BlobStore")<BlobStore, Service>() {}
