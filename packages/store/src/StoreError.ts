/**
 * The errors of a `BlobStore` and a `MetadataStore`. They are plain data without a stack trace because most of them
 * occur often; only {@link Failed} and {@link OutcomeUnknown} have one.
 *
 * @since 0.1.0
 */
import type { Digest } from "@effect-oci/core/Digest"
import type { RegistryError } from "@effect-oci/core/RegistryError"
import type { Tag } from "@effect-oci/core/Tag"
import * as Data from "effect/Data"
import type { Appended, BlobKey } from "./BlobStoreModel.js"

/**
 * The blob store has no bytes under the key.
 *
 * @since 0.1.0
 * @category bytes
 */
export class NotFound extends Data.TaggedClass("OciStoreNotFound")<{ readonly key: BlobKey }> {}

/**
 * Some of the stored bytes are lost: the blob store now has fewer bytes than before.
 *
 * @since 0.1.0
 * @category bytes
 */
export class Truncated
  extends Data.TaggedClass("OciStoreTruncated")<{ readonly key: BlobKey; readonly size: number }>
{}

/**
 * The span is not within the stored bytes. `size` is the number of stored bytes.
 *
 * @since 0.1.0
 * @category bytes
 */
export class RangeInvalid
  extends Data.TaggedClass("OciStoreRangeInvalid")<{ readonly key: BlobKey; readonly size: number }>
{}

/**
 * The body failed before its end. `appended` says which bytes of the upload are durable, and how to continue after
 * them. `appended` is `undefined` for a `put`, which stores all bytes or none.
 *
 * @since 0.1.0
 * @category bytes
 */
export class BodyBroken extends Data.TaggedClass("OciStoreBodyBroken")<
  { readonly appended: Appended | undefined; readonly cause: RegistryError }
> {}

/**
 * The service behind the blob store hashed the bytes, and refused them because they do not have the digest.
 *
 * @since 0.1.0
 * @category bytes
 */
export class DigestWrong extends Data.TaggedClass("OciStoreDigestWrong") {}

/**
 * The upload session has ended, has expired, or was never opened.
 *
 * @since 0.1.0
 * @category upload sessions
 */
export class UploadUnknown extends Data.TaggedClass("OciStoreUploadUnknown") {}

/**
 * The upload session is at another offset. `offset` is its current offset.
 *
 * @since 0.1.0
 * @category upload sessions
 */
export class OffsetMismatch extends Data.TaggedClass("OciStoreOffsetMismatch")<{ readonly offset: number }> {}

/**
 * Another request claimed the upload session later.
 *
 * @since 0.1.0
 * @category upload sessions
 */
export class Stale extends Data.TaggedClass("OciStoreStale") {}

/**
 * The limit of open upload sessions is reached.
 *
 * @since 0.1.0
 * @category upload sessions
 */
export class TooManyUploads extends Data.TaggedClass("OciStoreTooManyUploads") {}

/**
 * The repository does not exist: nothing was ever stored in it.
 *
 * @since 0.1.0
 * @category metadata
 */
export class RepositoryUnknown extends Data.TaggedClass("OciStoreRepositoryUnknown") {}

/**
 * The repository does not have the blob.
 *
 * @since 0.1.0
 * @category metadata
 */
export class BlobUnknown extends Data.TaggedClass("OciStoreBlobUnknown") {}

/**
 * The repository does not have the tag or the manifest.
 *
 * @since 0.1.0
 * @category metadata
 */
export class ManifestUnknown extends Data.TaggedClass("OciStoreManifestUnknown") {}

/**
 * The manifest refers to content that its repository does not have. `digests` contains every missing digest.
 *
 * @since 0.1.0
 * @category metadata
 */
export class ContentUnknown
  extends Data.TaggedClass("OciStoreContentUnknown")<{ readonly digests: ReadonlyArray<Digest> }>
{}

/**
 * The tag does not point where the push requires. `digest` is the digest of the manifest that the tag points at, or
 * `undefined` if the tag does not exist.
 *
 * @since 0.1.0
 * @category metadata
 */
export class TagTaken extends Data.TaggedClass("OciStoreTagTaken")<{
  readonly tag: Tag
  readonly digest: Digest | undefined
}> {}

/**
 * The repository has the manifest with another media type. `mediaType` is the stored media type.
 *
 * @since 0.1.0
 * @category metadata
 */
export class TypeTaken extends Data.TaggedClass("OciStoreTypeTaken")<{ readonly mediaType: string }> {}

/**
 * A manifest of the repository refers to the content. `by` is the digest of one such manifest.
 *
 * @since 0.1.0
 * @category metadata
 */
export class Referenced extends Data.TaggedClass("OciStoreReferenced")<{ readonly by: Digest }> {}

/**
 * The store has no room for more bytes.
 *
 * @since 0.1.0
 * @category failures
 */
export class Full extends Data.TaggedClass("OciStoreFull") {}

/**
 * The store itself failed, for example its disk, its network or its service. Nothing was stored.
 *
 * @since 0.1.0
 * @category failures
 */
export class Failed extends Data.TaggedError("OciStoreFailed")<{ readonly cause: unknown }> {
  override get message(): string {
    const { cause } = this
    return `the store failed: ${cause instanceof Error ? cause.message || cause.name : String(cause)}`
  }
}

/**
 * The connection broke before the store confirmed the command: the command may have taken effect. Run it again.
 *
 * @since 0.1.0
 * @category failures
 */
export class OutcomeUnknown extends Data.TaggedError("OciStoreOutcomeUnknown")<{ readonly cause: unknown }> {}

/**
 * An error of one of the two services.
 *
 * @since 0.1.0
 * @category models
 */
export type StoreError =
  | NotFound
  | Truncated
  | RangeInvalid
  | BodyBroken
  | DigestWrong
  | UploadUnknown
  | OffsetMismatch
  | Stale
  | TooManyUploads
  | RepositoryUnknown
  | BlobUnknown
  | ManifestUnknown
  | ContentUnknown
  | TagTaken
  | TypeTaken
  | Referenced
  | Full
  | Failed
  | OutcomeUnknown
