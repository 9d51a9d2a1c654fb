/**
 * Where the facts lie: which blobs and manifests a repository has, what its tags point at, and how far uploads are.
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
 * A blob: its descriptor, and the key that its bytes lie under.
 *
 * @since 0.1.0
 * @category models
 */
export interface StoredBlob {
  readonly descriptor: Descriptor
  readonly key: BlobKey
}

/**
 * An upload in progress.
 *
 * @since 0.1.0
 * @category models
 */
export interface Upload {
  readonly id: string
  readonly repository: RepositoryName
  /** The name of the caller who opened it, `undefined` for an anonymous one. */
  readonly owner: string | undefined
  /**
   * The caller that the session counts against, by `Caller.key`. `undefined` for a push in one request: its session ends
   * with the request and counts against nobody.
   */
  readonly caller: string | undefined
  /** Whether the client has begun to send content. */
  readonly begun: boolean
  /** Where its bytes will lie. Chosen with the upload, so that no bytes are ever lost sight of. */
  readonly key: BlobKey
  readonly token: UploadToken
  /** How many bytes it has. */
  readonly offset: number
  /** The algorithm of the digest to come, as far as is known. */
  readonly algorithm: Algorithm
  /** In milliseconds since 1970. */
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
 * Bytes that no fact names any more, and the upload that they may still be in: both are to be removed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Released {
  readonly key: BlobKey
  readonly token: UploadToken | undefined
}

/**
 * A manifest to put, with all that must hold for it.
 *
 * @since 0.1.0
 * @category models
 */
export interface PutManifest {
  readonly repository: RepositoryName
  readonly manifest: Manifest
  /** Blobs that the repository must have. */
  readonly blobs: ReadonlyArray<Digest>
  /** Manifests, or blobs, that the repository must have. */
  readonly children: ReadonlyArray<Digest>
  /** The manifest that this one refers to, and the descriptor to list it by. */
  readonly referrer: { readonly subject: Digest; readonly descriptor: Descriptor } | undefined
  readonly tags: ReadonlyArray<Tag>
  /** No tag may point at another manifest already. */
  readonly ifAbsent: boolean
}

/**
 * Nothing was ever put into the repository. Like all answers here but {@link Failed} it is plain data: no stack is
 * taken for what is asked all day.
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
 * A manifest refers to content that its repository does not have; `digests` is all of it.
 *
 * @since 0.1.0
 * @category errors
 */
export class ContentUnknown extends Data.TaggedClass("ContentUnknown")<{ readonly digests: ReadonlyArray<Digest> }> {}

/**
 * A tag points at another manifest already, which is `digest`.
 *
 * @since 0.1.0
 * @category errors
 */
export class TagTaken extends Data.TaggedClass("TagTaken")<{ readonly tag: Tag; readonly digest: Digest }> {}

/**
 * The repository has the manifest with another media type, which is `mediaType`.
 *
 * @since 0.1.0
 * @category errors
 */
export class TypeTaken extends Data.TaggedClass("TypeTaken")<{ readonly mediaType: string }> {}

/**
 * The upload has ended, or was never opened.
 *
 * @since 0.1.0
 * @category errors
 */
export class UploadUnknown extends Data.TaggedClass("UploadUnknown") {}

/**
 * The upload stands elsewhere: at `offset`.
 *
 * @since 0.1.0
 * @category errors
 */
export class OffsetMismatch extends Data.TaggedClass("OffsetMismatch")<{ readonly offset: number }> {}

/**
 * As many uploads are open as may be.
 *
 * @since 0.1.0
 * @category errors
 */
export class TooManyUploads extends Data.TaggedClass("TooManyUploads") {}

/**
 * The store has no room for more.
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
 * Keeps the facts. Each command is one transaction, and sees what was done before it. Lists are pages in ASCII order:
 * at most `n` of what comes after `after`, which need not exist; a page with fewer is the last.
 *
 * A repository is there once a blob or a manifest has been put into it, and stays when they are deleted.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** A blob, if the repository has it. */
  readonly hasBlob: (repository: RepositoryName, digest: Digest) => Effect.Effect<StoredBlob | undefined, Failed>
  /**
   * Ends an upload that has `size` bytes, and makes them a blob of its repository. Where another repository has that
   * blob the bytes that are there serve both, and the new ones are released.
   */
  readonly linkUploaded: (link: {
    readonly id: string
    readonly digest: Digest
    readonly size: number
  }) => Effect.Effect<Released | undefined, UploadUnknown | OffsetMismatch | Failed>
  /** Makes a blob of `from`, or of any repository, one of `repository` too. Whether there was such a blob. */
  readonly mount: (mount: {
    readonly repository: RepositoryName
    readonly digest: Digest
    readonly from: RepositoryName | undefined
  }) => Effect.Effect<boolean, Failed>
  /** Takes a blob out of a repository; its bytes are released with the last that had it. */
  readonly unlinkBlob: (
    repository: RepositoryName,
    digest: Digest
  ) => Effect.Effect<Released | undefined, BlobUnknown | Failed>
  /**
   * Puts a manifest and moves its tags, all or nothing. A digest has one media type in a repository: fails with
   * `TypeTaken` if the repository has the manifest with another type, whatever else the command lacks.
   */
  readonly putManifest: (put: PutManifest) => Effect.Effect<
    void,
    TypeTaken | ContentUnknown | TagTaken | Full | Failed
  >
  readonly resolveManifest: (
    repository: RepositoryName,
    reference: TagOrDigest
  ) => Effect.Effect<Descriptor, RepositoryUnknown | ManifestUnknown | Failed>
  readonly getManifest: (
    repository: RepositoryName,
    reference: TagOrDigest
  ) => Effect.Effect<Manifest, RepositoryUnknown | ManifestUnknown | Failed>
  /** Takes away a manifest, all tags that point at it, and its entry among its subject's referrers. */
  readonly deleteManifest: (
    repository: RepositoryName,
    digest: Digest
  ) => Effect.Effect<void, RepositoryUnknown | ManifestUnknown | Failed>
  readonly deleteTag: (
    repository: RepositoryName,
    tag: Tag
  ) => Effect.Effect<void, RepositoryUnknown | ManifestUnknown | Failed>
  readonly listTags: (
    repository: RepositoryName,
    after: Tag | undefined,
    n: number
  ) => Effect.Effect<ReadonlyArray<Tag>, RepositoryUnknown | Failed>
  /**
   * Returns the descriptors of the manifests that refer to `subject`, ordered by digest; of one artifact type, where one
   * is given. A repository that does not exist has none.
   */
  readonly listReferrers: (
    repository: RepositoryName,
    subject: Digest,
    artifactType: string | undefined,
    after: Digest | undefined,
    n: number
  ) => Effect.Effect<ReadonlyArray<Descriptor>, Failed>
  readonly listRepositories: (
    after: RepositoryName | undefined,
    n: number
  ) => Effect.Effect<ReadonlyArray<RepositoryName>, Failed>
  /**
   * Opens an upload session. If a limit is reached, the oldest session under that limit whose client has not begun to
   * send content makes room: the session ends, and what it had is released and returned. If there is no such session,
   * fails with {@link TooManyUploads}. Sessions without a `caller` are not counted.
   */
  readonly createUpload: (
    upload: Upload,
    limits: UploadLimits
  ) => Effect.Effect<ReadonlyArray<Released>, TooManyUploads | Failed>
  readonly getUpload: (id: string) => Effect.Effect<Upload, UploadUnknown | Failed>
  /**
   * Moves an upload from `from` to `to` and marks it as begun. An upload that is at `to` with this token already may be
   * moved there again.
   */
  readonly advanceUpload: (advance: {
    readonly id: string
    readonly from: number
    readonly to: number
    readonly token: UploadToken
    readonly expiresAt: number
  }) => Effect.Effect<void, UploadUnknown | OffsetMismatch | Failed>
  /** Ends an upload; what it had is released. */
  readonly endUpload: (id: string) => Effect.Effect<Released, UploadUnknown | Failed>
  /** Ends at most `n` uploads that have expired at `now`; what they had is released. */
  readonly expireUploads: (now: number, n: number) => Effect.Effect<ReadonlyArray<Released>, Failed>
  /** What was released and not yet forgotten, by key: where bytes may still lie after a crash. */
  readonly listReleased: (after: BlobKey | undefined, n: number) => Effect.Effect<ReadonlyArray<Released>, Failed>
  /** To be called when the bytes are gone. */
  readonly forgetReleased: (key: BlobKey) => Effect.Effect<void, Failed>
}

/**
 * @since 0.1.0
 * @category services
 */
export class MetadataStore extends Context.Tag("@effect-oci/store/MetadataStore")<MetadataStore, Service>() {}
