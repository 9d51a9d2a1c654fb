/**
 * Where the bytes of blobs lie.
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
 * The name of stored bytes: letters, digits and dashes, fit for a file and a URL. It is no digest: bytes that are pushed
 * again after they were deleted come under a new key, so that no delete can meet them.
 *
 * @since 0.1.0
 * @category models
 */
export type BlobKey = string & Brand.Brand<"BlobKey">

/**
 * @since 0.1.0
 * @category constructors
 */
export const BlobKey: Brand.Brand.Constructor<BlobKey> = Brand.nominal<BlobKey>()

/**
 * What a store must know of an upload to go on with it, as text: it is kept with the upload's facts, and may change with
 * each chunk.
 *
 * @since 0.1.0
 * @category models
 */
export type UploadToken = string & Brand.Brand<"UploadToken">

/**
 * @since 0.1.0
 * @category constructors
 */
export const UploadToken: Brand.Brand.Constructor<UploadToken> = Brand.nominal<UploadToken>()

/**
 * What is durable after a chunk: how many bytes, and the token to go on with.
 *
 * @since 0.1.0
 * @category models
 */
export interface Appended {
  readonly offset: number
  readonly token: UploadToken
}

/**
 * An upload that a store holds bytes of.
 *
 * @since 0.1.0
 * @category models
 */
export interface OpenUpload {
  readonly id: string
  readonly token: UploadToken
}

/**
 * There are no bytes under the key.
 *
 * @since 0.1.0
 * @category errors
 */
export class NotFound extends Data.TaggedClass("NotFound")<{ readonly key: BlobKey }> {}

/**
 * Stored bytes have become fewer than they were.
 *
 * @since 0.1.0
 * @category errors
 */
export class Truncated extends Data.TaggedClass("Truncated")<{ readonly key: BlobKey; readonly size: number }> {}

/**
 * A span does not lie within the bytes, of which there are `size`.
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
 * A chunk does not begin where the upload stands, which is `offset`; or there are not so many bytes as are to be
 * committed.
 *
 * @since 0.1.0
 * @category errors
 */
export class OffsetMismatch extends Data.TaggedClass("OffsetMismatch")<{ readonly offset: number }> {}

/**
 * A body failed before its end; `offset` is how much of the upload is durable.
 *
 * @since 0.1.0
 * @category errors
 */
export class BodyBroken
  extends Data.TaggedClass("BodyBroken")<{ readonly offset: number; readonly cause: RegistryError }>
{}

/**
 * There is no room for more.
 *
 * @since 0.1.0
 * @category errors
 */
export class Full extends Data.TaggedClass("Full") {}

/**
 * The store itself failed: a disk, a network, a service.
 *
 * @since 0.1.0
 * @category errors
 */
export class Failed extends Data.TaggedError("Failed")<{ readonly cause: unknown }> {}

/**
 * Keeps bytes by key, and uploads on their way to a key. Everything but the bytes themselves (who may see them, under
 * which digest, how far an upload is) is a `MetadataStore`'s.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** How many bytes lie under a key, or `undefined` for none. Strongly consistent. */
  readonly stat: (key: BlobKey) => Effect.Effect<number | undefined, Failed>
  /**
   * The bytes under a key, or a span of them. The end of the scope, or an interruption, closes what is open. What goes
   * wrong later fails the body with `RegistryError.Unavailable`, whose cause is a {@link Truncated} or a {@link Failed}.
   */
  readonly read: (
    key: BlobKey,
    span?: Span
  ) => Effect.Effect<Body.Body, NotFound | RangeInvalid | Truncated | Failed, Scope.Scope>
  /** Begins an upload. */
  readonly openUpload: (id: string) => Effect.Effect<UploadToken, Failed>
  /**
   * Adds a chunk at `offset`, which must be where the upload stands. The body is run once, and its chunks are the
   * store's to keep. Nothing counts before it is durable, and of two chunks for one offset only one is ever counted.
   */
  readonly append: (
    token: UploadToken,
    offset: number,
    body: Body.Body
  ) => Effect.Effect<Appended, UploadUnknown | OffsetMismatch | BodyBroken | Full | Failed>
  /**
   * Ends an upload of `size` bytes: they lie under `key` from now on. Atomic; done twice it is done once. The key is
   * one that was never used, and whether the bytes are the right ones is for the caller to know.
   */
  readonly commit: (
    token: UploadToken,
    key: BlobKey,
    size: number
  ) => Effect.Effect<void, UploadUnknown | OffsetMismatch | Failed>
  /** Gives an upload up. One that is unknown is given up already. After it, the upload can not be committed. */
  readonly abort: (token: UploadToken) => Effect.Effect<void, Failed>
  /** The uploads that nothing was added to since `olderThan`, in milliseconds since 1970. */
  readonly listUploads: (olderThan: number) => Stream.Stream<OpenUpload, Failed>
  /** Removes bytes. Those that are not there are removed already. */
  readonly delete: (key: BlobKey) => Effect.Effect<void, Failed>
  /** Where a client can fetch the bytes itself, for as long as `ttl`; for stores that have such addresses. */
  readonly redirectUrl?: (key: BlobKey, ttl: Duration.Duration) => Effect.Effect<Option.Option<URL>, Failed>
}

/**
 * @since 0.1.0
 * @category services
 */
export class BlobStore extends Context.Tag("@effect-oci/store/BlobStore")<BlobStore, Service>() {}
