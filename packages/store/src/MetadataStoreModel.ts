/**
 * The models of a `MetadataStore`. Import them from `MetadataStore`.
 *
 * @since 0.1.0
 */
import type { Descriptor } from "@effect-oci/core/Descriptor"
import type { Algorithm, Digest } from "@effect-oci/core/Digest"
import type { Manifest } from "@effect-oci/core/Manifest"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import type { Tag } from "@effect-oci/core/Tag"
import type * as Duration from "effect/Duration"
import type { BlobKey, UploadToken } from "./BlobStoreModel.js"

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
 * A manifest, and when it was first stored in its repository, in milliseconds since 1970.
 *
 * @since 0.1.0
 * @category models
 */
export interface StoredManifest {
  readonly descriptor: Descriptor
  readonly createdAt: number
}

/**
 * A tag, the manifest that it points at, and when it was last set, in milliseconds since 1970.
 *
 * @since 0.1.0
 * @category models
 */
export interface StoredTag {
  readonly tag: Tag
  readonly digest: Digest
  readonly updatedAt: number
}

/**
 * An upload session to open. It begins with no bytes, and without an upload in the blob store.
 *
 * @since 0.1.0
 * @category models
 */
export interface NewUpload {
  readonly id: string
  readonly repository: RepositoryName
  /** The name of the caller who opened the session, or `undefined` for an anonymous caller. */
  readonly owner: string | undefined
  /** The caller that the session counts against, by `Caller.key`. */
  readonly caller: string
  /** The key of the upload in the blob store. */
  readonly key: BlobKey
  /** The expected algorithm of the final digest. */
  readonly algorithm: Algorithm
}

/**
 * An upload session.
 *
 * @since 0.1.0
 * @category models
 */
export interface Upload extends NewUpload {
  /** The state of the upload in the blob store, or `undefined` if it has not been opened there. */
  readonly token: UploadToken | undefined
  /** The number of bytes that the session has received. */
  readonly offset: number
  /** The digest of all bytes that the session has received, by `algorithm`. `undefined` if it is not known. */
  readonly digest: Digest | undefined
  /** The number of the newest claim. 0 if the session was never claimed. */
  readonly fence: number
}

/**
 * How many upload sessions may be open at once: in total, for each caller and in each repository. A store that many
 * servers share may exceed a limit by a few.
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
 * A reference of a manifest to other content.
 *
 * `blob` is a layer or a config, `child` a manifest of an index, `subject` the subject of a referrer. A blob or a child
 * is not deleted while a manifest of its repository refers to it. A subject is not protected.
 *
 * @since 0.1.0
 * @category models
 */
export interface Reference {
  readonly digest: Digest
  readonly kind: "blob" | "child" | "subject"
  /** Whether the repository must have the content. A child may be a manifest or a blob. */
  readonly required: boolean
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
  /** All content that the manifest refers to, each digest and kind once. */
  readonly references: ReadonlyArray<Reference>
  /** The descriptor to list the manifest with among the referrers of its subject. Present if there is a subject. */
  readonly listedAs: Descriptor | undefined
  readonly tags: ReadonlyArray<Tag>
  /** If `true`, fails with `TagTaken` if a tag already points at another manifest. */
  readonly ifAbsent: boolean
  /**
   * If present, fails with `TagTaken` if a tag points neither at the manifest with this digest nor at the manifest of
   * this push.
   */
  readonly ifMatch: Digest | undefined
  /** How long the manifest is kept although nothing refers to it. */
  readonly keep: Duration.Duration
}

/**
 * What the collector does with content that nothing refers to any more.
 *
 * @since 0.1.0
 * @category models
 */
export interface ReviewPolicy {
  /** Whether manifests are deleted that have no tag, no parent and no subject. */
  readonly untagged: "keep" | "delete"
  /** How long content is kept after the event that may have released it. */
  readonly grace: Duration.Duration
  /** How long released bytes are kept for reads that have begun. */
  readonly readable: Duration.Duration
}
