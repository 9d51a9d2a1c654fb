/**
 * The service that stores metadata: repositories, tags, manifests, blob membership and upload sessions.
 *
 * @since 0.1.0
 */
import type { Descriptor } from "@effect-oci/core/Descriptor"
import type { Digest } from "@effect-oci/core/Digest"
import type { Manifest } from "@effect-oci/core/Manifest"
import type { TagOrDigest } from "@effect-oci/core/Operation"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import type { Tag } from "@effect-oci/core/Tag"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type { BlobKey, UploadToken } from "./BlobStore.js"
import type {
  Garbage,
  NewUpload,
  PutManifest,
  ReviewPolicy,
  StoredBlob,
  StoredManifest,
  StoredTag,
  Upload,
  UploadLimits
} from "./MetadataStoreModel.js"
import type * as StoreError from "./StoreError.js"

export * from "./MetadataStoreModel.js"

/**
 * A failure of a command that writes.
 *
 * @since 0.1.0
 * @category models
 */
export type CommandFailure = StoreError.Failed | StoreError.OutcomeUnknown

/**
 * Stores metadata. Each command is one transaction, and sees the effects of all commands before it. A command that is
 * run again after it took effect succeeds, or says that what it would end is unknown. The store has its own clock:
 * commands receive durations.
 *
 * Lists are pages in ASCII order. A page contains at most `n` items after `after`, which need not exist. A page with
 * fewer than `n` items is the last page.
 *
 * A repository exists once a blob or a manifest was stored in it, and continues to exist after they are deleted.
 *
 * Content has a lease, which ends `keep` after it was pushed. The collector does not remove content while its lease
 * lasts or while something refers to it. A command that may release content schedules a review of it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /**
   * Returns a blob, or `undefined` if the repository does not have the blob. With `keep`, also renews the lease of the
   * blob if less than half of `keep` is left.
   */
  readonly findBlob: (
    repository: RepositoryName,
    digest: Digest,
    keep?: Duration.Duration
  ) => Effect.Effect<StoredBlob | undefined, StoreError.Failed>
  /**
   * Adds stored bytes to a repository as a blob, and ends the upload session that they came from. Returns the blob. If
   * the store already has the blob under another key, all repositories share those bytes, and the new ones become
   * garbage. Run again with the same key, it succeeds.
   */
  readonly linkBlob: (link: {
    readonly repository: RepositoryName
    readonly digest: Digest
    readonly size: number
    readonly key: BlobKey
    readonly keep: Duration.Duration
    /**
     * The upload session that ends, and the number of the claim. Its upload has the key, or was never opened in the blob
     * store.
     */
    readonly upload?: { readonly id: string; readonly fence: number } | undefined
  }) => Effect.Effect<StoredBlob, StoreError.UploadUnknown | StoreError.Stale | CommandFailure>
  /**
   * Adds a blob of `from` to `repository`. If `from` is `undefined`, any repository may have the blob. Returns whether
   * the blob exists.
   */
  readonly mount: (mount: {
    readonly repository: RepositoryName
    readonly digest: Digest
    readonly from: RepositoryName | undefined
    readonly keep: Duration.Duration
  }) => Effect.Effect<boolean, CommandFailure>
  /**
   * Removes a blob from a repository. If no other repository has the blob, its bytes become garbage. Fails with
   * `Referenced` if a manifest of the repository refers to the blob, unless `evenIfReferenced` is `true`.
   */
  readonly unlinkBlob: (unlink: {
    readonly repository: RepositoryName
    readonly digest: Digest
    readonly evenIfReferenced: boolean
    /** How long the bytes are kept for reads that have begun. */
    readonly readable: Duration.Duration
  }) => Effect.Effect<void, StoreError.BlobUnknown | StoreError.Referenced | CommandFailure>
  /**
   * Discards a blob whose bytes are damaged: no repository has the blob any more, and the bytes under `key` become
   * garbage. The manifests that refer to the blob remain. When the blob is linked again, in any repository, all
   * repositories that had it have it again. Does nothing if the blob does not exist or has another key.
   */
  readonly discardBlob: (discard: {
    readonly digest: Digest
    readonly key: BlobKey
    /** How long the bytes are kept for reads that have begun. */
    readonly readable: Duration.Duration
  }) => Effect.Effect<void, CommandFailure>
  /**
   * Stores a manifest and moves its tags, all or nothing. A digest has one media type in a repository: fails with
   * `TypeTaken` if the repository has the manifest with another type. This error takes precedence over the others.
   */
  readonly putManifest: (put: PutManifest) => Effect.Effect<
    void,
    StoreError.TypeTaken | StoreError.ContentUnknown | StoreError.TagTaken | StoreError.Full | CommandFailure
  >
  /** Returns the descriptor of a manifest. With `keep`, also renews its lease if less than half of `keep` is left. */
  readonly resolveManifest: (
    repository: RepositoryName,
    reference: TagOrDigest,
    keep?: Duration.Duration
  ) => Effect.Effect<Descriptor, StoreError.RepositoryUnknown | StoreError.ManifestUnknown | StoreError.Failed>
  /** Returns a manifest. */
  readonly getManifest: (
    repository: RepositoryName,
    reference: TagOrDigest
  ) => Effect.Effect<Manifest, StoreError.RepositoryUnknown | StoreError.ManifestUnknown | StoreError.Failed>
  /**
   * Deletes a manifest, all tags that point at it, and its entry among the referrers of its subject. Fails with
   * `Referenced` if another manifest of the repository has it as a child, unless `evenIfReferenced` is `true`.
   */
  readonly deleteManifest: (
    repository: RepositoryName,
    digest: Digest,
    evenIfReferenced: boolean
  ) => Effect.Effect<
    void,
    StoreError.RepositoryUnknown | StoreError.ManifestUnknown | StoreError.Referenced | CommandFailure
  >
  /**
   * Deletes a tag. The manifest remains. With `pointsAt`, fails with `ManifestUnknown` if the tag points at another
   * manifest.
   */
  readonly deleteTag: (
    repository: RepositoryName,
    tag: Tag,
    pointsAt?: Digest
  ) => Effect.Effect<void, StoreError.RepositoryUnknown | StoreError.ManifestUnknown | CommandFailure>
  /** Lists the tags of a repository. */
  readonly listTags: (
    repository: RepositoryName,
    after: Tag | undefined,
    n: number
  ) => Effect.Effect<ReadonlyArray<Tag>, StoreError.RepositoryUnknown | StoreError.Failed>
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
  ) => Effect.Effect<ReadonlyArray<Descriptor>, StoreError.Failed>
  /** Lists the repositories. */
  readonly listRepositories: (
    after: RepositoryName | undefined,
    n: number
  ) => Effect.Effect<ReadonlyArray<RepositoryName>, StoreError.Failed>

  /** Lists the tags of a repository with their manifests and times, ordered by name. For retention and tools. */
  readonly inspectTags: (
    repository: RepositoryName,
    after: Tag | undefined,
    n: number
  ) => Effect.Effect<ReadonlyArray<StoredTag>, StoreError.RepositoryUnknown | StoreError.Failed>
  /** Lists the manifests of a repository, ordered by digest. For retention and tools. */
  readonly inspectManifests: (
    repository: RepositoryName,
    after: Digest | undefined,
    n: number
  ) => Effect.Effect<ReadonlyArray<StoredManifest>, StoreError.RepositoryUnknown | StoreError.Failed>
  /** Returns the bytes of a manifest as they are stored now, without verification. For tools that check the bytes. */
  readonly inspectManifest: (
    repository: RepositoryName,
    digest: Digest
  ) => Effect.Effect<Uint8Array, StoreError.RepositoryUnknown | StoreError.ManifestUnknown | StoreError.Failed>
  /** Lists the blobs of all repositories, ordered by digest, each once. For tools that check the bytes. */
  readonly inspectBlobs: (
    after: Digest | undefined,
    n: number
  ) => Effect.Effect<ReadonlyArray<StoredBlob>, StoreError.Failed>

  /**
   * Opens an upload session that lives for `lives` after each use. If a limit is reached, the oldest session under that
   * limit whose client has not begun to send content ends, and its bytes become garbage. If there is no such session,
   * fails with `TooManyUploads`.
   */
  readonly createUpload: (
    upload: NewUpload,
    lives: Duration.Duration,
    limits: UploadLimits
  ) => Effect.Effect<void, StoreError.TooManyUploads | CommandFailure>
  /** Returns an upload session. A session that has expired is unknown. */
  readonly getUpload: (id: string) => Effect.Effect<Upload, StoreError.UploadUnknown | StoreError.Failed>
  /**
   * Claims an upload session for a request that sends content: increases its fence, so that all earlier claims are
   * stale, marks the session as begun, and renews its life. Returns the session with the new fence.
   */
  readonly claimUpload: (
    id: string,
    lives: Duration.Duration
  ) => Effect.Effect<Upload, StoreError.UploadUnknown | CommandFailure>
  /**
   * Moves an upload session from offset `from` to offset `to`, and renews its life. Succeeds if the session is already
   * at `to` with this token. Fails with `Stale` if another request has claimed the session.
   */
  readonly advanceUpload: (advance: {
    readonly id: string
    readonly fence: number
    readonly from: number
    readonly to: number
    readonly token: UploadToken | undefined
    /** The digest of all bytes of the session up to `to`, or `undefined` if it is not known. */
    readonly digest: Digest | undefined
    readonly lives: Duration.Duration
  }) => Effect.Effect<
    void,
    StoreError.UploadUnknown | StoreError.Stale | StoreError.OffsetMismatch | CommandFailure
  >
  /** Ends an upload session. Its bytes become garbage. */
  readonly endUpload: (id: string) => Effect.Effect<void, StoreError.UploadUnknown | CommandFailure>

  /** Ends at most `n` upload sessions that have expired. Their bytes become garbage. `more` says whether others remain. */
  readonly expireUploads: (n: number) => Effect.Effect<{ readonly more: boolean }, CommandFailure>
  /**
   * Reviews at most `n` manifests and blobs whose review is due. Removes a manifest that the policy does not keep, and
   * removes a blob from a repository in which no manifest refers to it. What has a lease is reviewed again when the
   * lease has ended, and an untagged manifest that the policy keeps after another `grace`. `more` says whether other
   * reviews are due. While another node reviews, a shared store may return at once without a review.
   */
  readonly review: (policy: ReviewPolicy, n: number) => Effect.Effect<
    { readonly manifests: number; readonly blobs: number; readonly more: boolean },
    CommandFailure
  >
  /**
   * Claims at most `n` pieces of garbage that may be deleted now. No other caller receives them for the time of `lease`.
   * Garbage remains until it is forgotten: after a crash it is claimed again.
   */
  readonly claimGarbage: (
    n: number,
    lease: Duration.Duration
  ) => Effect.Effect<ReadonlyArray<Garbage>, CommandFailure>
  /** Forgets garbage. Call it after the bytes are deleted. */
  readonly forgetGarbage: (keys: ReadonlyArray<BlobKey>) => Effect.Effect<void, CommandFailure>
  /** Returns those of the keys that no blob, upload session or garbage has: what a crash left in the blob store. */
  readonly unknownKeys: (keys: ReadonlyArray<BlobKey>) => Effect.Effect<ReadonlyArray<BlobKey>, StoreError.Failed>
}

/**
 * The service that stores metadata.
 *
 * @since 0.1.0
 * @category services
 */
export class MetadataStore extends Context.Tag("@effect-oci/store/MetadataStore")<MetadataStore, Service>() {}
