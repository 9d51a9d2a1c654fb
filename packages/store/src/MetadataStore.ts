/**
 * The service that stores metadata: repositories, tags, manifests, blob membership and upload sessions.
 *
 * @since 0.1.0
 */
import type { Descriptor } from "@effect-oci/core/Descriptor"
import type { Algorithm, Digest } from "@effect-oci/core/Digest"
import type { Manifest } from "@effect-oci/core/Manifest"
import type { TagOrDigest } from "@effect-oci/core/Operation"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import type { Tag } from "@effect-oci/core/Tag"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type { BlobKey, UploadToken } from "./BlobStore.js"

/**
 * A blob: its descriptor, and the key of its bytes.
 *
 * @since 0.1.0
 * @category models
 */
export interface StoredBlob {
  readonly descriptor: Descriptor
  readonly key: BlobKey
}

/**
 * An upload session.
 *
 * @since 0.1.0
 * @category models
 */
export interface Upload {
  readonly id: string
  readonly repository: RepositoryName
  /** The name of the caller who opened the session, or `undefined` for an anonymous caller. */
  readonly owner: string | undefined
  /**
   * The caller that the session counts against, by `Caller.key`. `undefined` for a push in one request: its session
   * ends with the request and does not count.
   */
  readonly caller: string | undefined
  /** Whether the client has begun to send content. */
  readonly begun: boolean
  /**
   * The key under which the bytes will be stored. Chosen when the session opens, so that no bytes are ever left behind.
   */
  readonly key: BlobKey
  readonly token: UploadToken
  /** The number of bytes that the session has received. */
  readonly offset: number
  /** The expected algorithm of the final digest. */
  readonly algorithm: Algorithm
  /** The time at which the session expires, in milliseconds since 1970. */
  readonly expiresAt: number
}

/**
 * How many upload sessions may be open at once: in total, for each caller and in each repository.
 *
 * @since 0.1.0
 * @category models
 */
export interface UploadLimits {
  readonly total: number
  readonly perCaller: number
  readonly perRepository: number
}

/**
 * Garbage: released bytes awaiting deletion, and the upload that may still contain them. Both must be deleted.
 *
 * @since 0.1.0
 * @category models
 */
export interface Garbage {
  readonly key: BlobKey
  readonly token: UploadToken | undefined
}

/**
 * A manifest to store, and the conditions for storing it.
 *
 * @since 0.1.0
 * @category models
 */
export interface PutManifest {
  readonly repository: RepositoryName
  readonly manifest: Manifest
  /** The blobs that the repository must have. */
  readonly blobs: ReadonlyArray<Digest>
  /** The manifests or blobs that the repository must have. */
  readonly children: ReadonlyArray<Digest>
  /** The subject of the manifest, and the descriptor to list the manifest with among the referrers of the subject. */
  readonly referrer: { readonly subject: Digest; readonly descriptor: Descriptor } | undefined
  readonly tags: ReadonlyArray<Tag>
  /** If `true`, fails with {@link TagTaken} if a tag already points at another manifest. */
  readonly ifAbsent: boolean
  /**
   * If present, fails with {@link TagTaken} if a tag points at another manifest than this one, or does not exist. A tag
   * that points at `manifest` already is not an error.
   */
  readonly ifMatch: Digest | undefined
}

/**
 * The repository does not exist: nothing was ever stored in it. Like all errors here except {@link Failed}, this error
 * is plain data without a stack trace, because it occurs often.
 *
 * @since 0.1.0
 * @category errors
 */
export class RepositoryUnknown extends Data.TaggedClass("RepositoryUnknown") {}

/**
 * The repository does not have the blob.
 *
 * @since 0.1.0
 * @category errors
 */
export class BlobUnknown extends Data.TaggedClass("BlobUnknown") {}

/**
 * The repository does not have the tag or the manifest.
 *
 * @since 0.1.0
 * @category errors
 */
export class ManifestUnknown extends Data.TaggedClass("ManifestUnknown") {}

/**
 * The manifest refers to content that its repository does not have. `digests` contains every missing digest.
 *
 * @since 0.1.0
 * @category errors
 */
export class ContentUnknown extends Data.TaggedClass("ContentUnknown")<{ readonly digests: ReadonlyArray<Digest> }> {}

/**
 * The tag does not meet the condition of the push. `digest` is the digest of the manifest that the tag points at, or
 * `undefined` if the tag does not exist.
 *
 * @since 0.1.0
 * @category errors
 */
export class TagTaken extends Data.TaggedClass("TagTaken")<{
  readonly tag: Tag
  readonly digest: Digest | undefined
}> {}

/**
 * The repository has the manifest with another media type. `mediaType` is the stored media type.
 *
 * @since 0.1.0
 * @category errors
 */
export class TypeTaken extends Data.TaggedClass("TypeTaken")<{ readonly mediaType: string }> {}

/**
 * The upload session has ended, or was never opened.
 *
 * @since 0.1.0
 * @category errors
 */
export class UploadUnknown extends Data.TaggedClass("UploadUnknown") {}

/**
 * The upload session is at another offset. `offset` is its current offset.
 *
 * @since 0.1.0
 * @category errors
 */
export class OffsetMismatch extends Data.TaggedClass("OffsetMismatch")<{ readonly offset: number }> {}

/**
 * The limit of open upload sessions is reached.
 *
 * @since 0.1.0
 * @category errors
 */
export class TooManyUploads extends Data.TaggedClass("TooManyUploads") {}

/**
 * The store has no room for more bytes.
 *
 * @since 0.1.0
 * @category errors
 */
export class Full extends Data.TaggedClass("Full") {}

/**
 * The store itself failed.
 *
 * @since 0.1.0
 * @category errors
 */
export class Failed extends Data.TaggedError("Failed")<{ readonly cause: unknown }> {}

/**
 * Stores metadata. Each command is one transaction, and sees the effects of all commands before it. Lists are pages in
 * ASCII order. A page contains at most `n` items after `after`, which need not exist. A page with fewer than `n` items
 * is the last page.
 *
 * A repository exists once a blob or a manifest was stored in it, and continues to exist after they are deleted.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** Returns a blob, or `undefined` if the repository does not have the blob. */
  readonly findBlob: (repository: RepositoryName, digest: Digest) => Effect.Effect<StoredBlob | undefined, Failed>
  /**
   * Ends an upload session of `size` bytes, and adds its blob to its repository. If the store already has the blob,
   * both repositories share the existing bytes, and the new bytes are released and returned.
   */
  readonly linkUploaded: (link: {
    readonly id: string
    readonly digest: Digest
    readonly size: number
  }) => Effect.Effect<Garbage | undefined, UploadUnknown | OffsetMismatch | Failed>
  /**
   * Adds a blob of `from` to `repository`. If `from` is `undefined`, any repository may have the blob. Returns whether
   * the blob exists.
   */
  readonly mount: (mount: {
    readonly repository: RepositoryName
    readonly digest: Digest
    readonly from: RepositoryName | undefined
  }) => Effect.Effect<boolean, Failed>
  /** Removes a blob from a repository. If no other repository has the blob, its bytes are released and returned. */
  readonly unlinkBlob: (
    repository: RepositoryName,
    digest: Digest
  ) => Effect.Effect<Garbage | undefined, BlobUnknown | Failed>
  /**
   * Stores a manifest and moves its tags, all or nothing. A digest has one media type in a repository: fails with
   * `TypeTaken` if the repository has the manifest with another type. This error takes precedence over the others.
   */
  readonly putManifest: (put: PutManifest) => Effect.Effect<
    void,
    TypeTaken | ContentUnknown | TagTaken | Full | Failed
  >
  /** Returns the descriptor of a manifest. */
  readonly resolveManifest: (
    repository: RepositoryName,
    reference: TagOrDigest
  ) => Effect.Effect<Descriptor, RepositoryUnknown | ManifestUnknown | Failed>
  /** Returns a manifest. */
  readonly getManifest: (
    repository: RepositoryName,
    reference: TagOrDigest
  ) => Effect.Effect<Manifest, RepositoryUnknown | ManifestUnknown | Failed>
  /** Deletes a manifest, all tags that point at it, and its entry among the referrers of its subject. */
  readonly deleteManifest: (
    repository: RepositoryName,
    digest: Digest
  ) => Effect.Effect<void, RepositoryUnknown | ManifestUnknown | Failed>
  /** Deletes a tag. The manifest remains. */
  readonly deleteTag: (
    repository: RepositoryName,
    tag: Tag
  ) => Effect.Effect<void, RepositoryUnknown | ManifestUnknown | Failed>
  /** Lists the tags of a repository. */
  readonly listTags: (
    repository: RepositoryName,
    after: Tag | undefined,
    n: number
  ) => Effect.Effect<ReadonlyArray<Tag>, RepositoryUnknown | Failed>
  /**
   * Returns the descriptors of the manifests that refer to `subject`, ordered by digest. If `artifactType` is
   * present, returns only the descriptors of that type. A repository that does not exist has none.
   */
  readonly listReferrers: (
    repository: RepositoryName,
    subject: Digest,
    artifactType: string | undefined,
    after: Digest | undefined,
    n: number
  ) => Effect.Effect<ReadonlyArray<Descriptor>, Failed>
  /** Lists the repositories. */
  readonly listRepositories: (
    after: RepositoryName | undefined,
    n: number
  ) => Effect.Effect<ReadonlyArray<RepositoryName>, Failed>
  /**
   * Opens an upload session. If a limit is reached, the oldest session under that limit whose client has not begun to
   * send content ends, and its bytes are released and returned. If there is no such session,
   * fails with {@link TooManyUploads}. Sessions without a `caller` are not counted.
   */
  readonly createUpload: (
    upload: Upload,
    limits: UploadLimits
  ) => Effect.Effect<ReadonlyArray<Garbage>, TooManyUploads | Failed>
  readonly getUpload: (id: string) => Effect.Effect<Upload, UploadUnknown | Failed>
  /**
   * Moves an upload session from offset `from` to offset `to`, and marks the session as begun. Succeeds if the session
   * is already at `to` with this token.
   */
  readonly advanceUpload: (advance: {
    readonly id: string
    readonly from: number
    readonly to: number
    readonly token: UploadToken
    readonly expiresAt: number
  }) => Effect.Effect<void, UploadUnknown | OffsetMismatch | Failed>
  /** Ends an upload session. Its bytes are released and returned. */
  readonly endUpload: (id: string) => Effect.Effect<Garbage, UploadUnknown | Failed>
  /** Ends at most `n` upload sessions that have expired at `now`. Their bytes are released and returned. */
  readonly expireUploads: (now: number, n: number) => Effect.Effect<ReadonlyArray<Garbage>, Failed>
  /** Lists the garbage that was not yet forgotten, by key: after a crash its bytes may still be in the blob store. */
  readonly listGarbage: (after: BlobKey | undefined, n: number) => Effect.Effect<ReadonlyArray<Garbage>, Failed>
  /** Forgets garbage. Call it after the bytes are deleted. */
  readonly forgetGarbage: (key: BlobKey) => Effect.Effect<void, Failed>
}

/**
 * The service that stores metadata.
 *
 * @since 0.1.0
 * @category services
 */
export class MetadataStore extends Context.Tag("@effect-oci/store/MetadataStore")<MetadataStore, Service>() {}
