import * as Data from "effect/Data"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type * as AuthScope from "../AuthScope.js"
import type { BlobContent } from "../BlobContent.js"
import type * as Body from "../Body.js"
import type { ByteRange } from "../ByteRange.js"
import type * as Descriptor from "../Descriptor.js"
import type * as Digest from "../Digest.js"
import type * as Manifest from "../Manifest.js"
import type { RegistryError } from "../RegistryError.js"
import type { RepositoryName } from "../RepositoryName.js"
import type { Tag } from "../Tag.js"
import type { OperationTag } from "./operationTag.js"

/**
 * What names a manifest: a tag or a digest. A digest has a colon, which a tag never has.
 *
 * @since 0.1.0
 * @category models
 */
export type TagOrDigest = Tag | Digest.Digest

/**
 * Whether a blob is there, and its size. Spec: "Checking if content exists in the registry".
 *
 * @since 0.1.0
 * @category pull
 */
export class ResolveBlob extends Data.TaggedClass("ResolveBlob")<{
  readonly repository: RepositoryName
  readonly digest: Digest.Digest
}> {}

/**
 * The content of a blob, or a range of it. Spec: "Pulling blobs".
 *
 * @since 0.1.0
 * @category pull
 * @example
 * ```ts
 * import { ByteRange, Digest, Operation, RepositoryName } from "@effect-oci/core"
 *
 * const repository = RepositoryName.make("team/app")
 * const digest = Digest.fromBytes(new TextEncoder().encode("{}"))
 * const whole = new Operation.GetBlob({ repository, digest })
 * const rest = new Operation.GetBlob({ repository, digest, range: ByteRange.from(1) })
 * ```
 */
export class GetBlob extends Data.TaggedClass("GetBlob")<{
  readonly repository: RepositoryName
  readonly digest: Digest.Digest
  readonly range?: ByteRange | undefined
}> {}

/**
 * Whether a manifest is there, and its descriptor. Spec: "Checking if content exists in the registry".
 *
 * @since 0.1.0
 * @category pull
 */
export class ResolveManifest extends Data.TaggedClass("ResolveManifest")<{
  readonly repository: RepositoryName
  readonly reference: TagOrDigest
}> {}

/**
 * A manifest, byte for byte. Spec: "Pulling manifests".
 *
 * @since 0.1.0
 * @category pull
 */
export class GetManifest extends Data.TaggedClass("GetManifest")<{
  readonly repository: RepositoryName
  readonly reference: TagOrDigest
}> {}

/**
 * Puts a blob in one go: its digest and size must be the descriptor's. Spec: "Pushing a blob monolithically".
 *
 * @since 0.1.0
 * @category push
 */
export class PushBlob extends Data.TaggedClass("PushBlob")<{
  readonly repository: RepositoryName
  readonly descriptor: Descriptor.Descriptor
  readonly body: Body.Body
}> {}

/**
 * Makes a blob of another repository a member of this one, or opens an upload where that cannot be done. Spec:
 * "Mounting a blob from another repository".
 *
 * @since 0.1.0
 * @category push
 */
export class MountBlob extends Data.TaggedClass("MountBlob")<{
  readonly repository: RepositoryName
  readonly digest: Digest.Digest
  readonly from?: RepositoryName | undefined
}> {}

/**
 * Opens an upload. `algorithm` is that of the digest to come, where it is not sha256. Spec: "Pushing a blob in chunks".
 *
 * @since 0.1.0
 * @category push
 */
export class StartUpload extends Data.TaggedClass("StartUpload")<{
  readonly repository: RepositoryName
  readonly algorithm?: string | undefined
}> {}

/**
 * How far an upload is. Spec: "Pushing a blob in chunks".
 *
 * @since 0.1.0
 * @category push
 */
export class GetUpload extends Data.TaggedClass("GetUpload")<{
  readonly repository: RepositoryName
  readonly id: string
}> {}

/**
 * Adds a chunk to an upload, at `offset`, which must be where the upload stands; without one it goes wherever that is.
 * Spec: "Pushing a blob in chunks".
 *
 * @since 0.1.0
 * @category push
 */
export class AppendUpload extends Data.TaggedClass("AppendUpload")<{
  readonly repository: RepositoryName
  readonly id: string
  readonly offset?: number | undefined
  readonly body: Body.Body
}> {}

/**
 * Ends an upload, with a last chunk or without: the whole must have the digest. Spec: "Pushing a blob in chunks".
 *
 * @since 0.1.0
 * @category push
 */
export class CompleteUpload extends Data.TaggedClass("CompleteUpload")<{
  readonly repository: RepositoryName
  readonly id: string
  readonly digest: Digest.Digest
  readonly offset?: number | undefined
  readonly body?: Body.Body | undefined
}> {}

/**
 * Gives an upload up. Spec: "Cancel a blob upload".
 *
 * @since 0.1.0
 * @category push
 */
export class CancelUpload extends Data.TaggedClass("CancelUpload")<{
  readonly repository: RepositoryName
  readonly id: string
}> {}

/**
 * Puts a manifest, under its digest and any number of tags. `ifAbsent` never moves a tag: where one of them points
 * elsewhere already, nothing is changed. Spec: "Pushing Manifests".
 *
 * @since 0.1.0
 * @category push
 */
export class PushManifest extends Data.TaggedClass("PushManifest")<{
  readonly repository: RepositoryName
  readonly mediaType: string
  readonly bytes: Uint8Array
  readonly digest?: Digest.Digest | undefined
  readonly tags: ReadonlyArray<Tag>
  readonly ifAbsent?: boolean | undefined
}> {}

/**
 * Takes a blob out of a repository. Spec: "Deleting Blobs".
 *
 * @since 0.1.0
 * @category delete
 */
export class DeleteBlob extends Data.TaggedClass("DeleteBlob")<{
  readonly repository: RepositoryName
  readonly digest: Digest.Digest
}> {}

/**
 * Takes a manifest, and all tags that point at it, out of a repository. Spec: "Deleting Manifests".
 *
 * @since 0.1.0
 * @category delete
 */
export class DeleteManifest extends Data.TaggedClass("DeleteManifest")<{
  readonly repository: RepositoryName
  readonly digest: Digest.Digest
}> {}

/**
 * Takes a tag away; its manifest stays. Spec: "Deleting tags".
 *
 * @since 0.1.0
 * @category delete
 */
export class DeleteTag extends Data.TaggedClass("DeleteTag")<{
  readonly repository: RepositoryName
  readonly tag: Tag
}> {}

/**
 * All repositories, in ASCII order, after `last`, at most `limit` of them in all. Not in the spec; Docker's registries
 * have it.
 *
 * @since 0.1.0
 * @category list
 */
export class ListRepositories extends Data.TaggedClass("ListRepositories")<{
  readonly last?: RepositoryName | undefined
  readonly limit?: number | undefined
}> {}

/**
 * The tags of a repository, in ASCII order, after `last`, at most `limit` of them in all. Spec: "Listing Tags".
 *
 * @since 0.1.0
 * @category list
 */
export class ListTags extends Data.TaggedClass("ListTags")<{
  readonly repository: RepositoryName
  readonly last?: Tag | undefined
  readonly limit?: number | undefined
}> {}

/**
 * The manifests whose subject has the digest, of an artifact type or of any. Spec: "Listing Referrers".
 *
 * @since 0.1.0
 * @category list
 */
export class ListReferrers extends Data.TaggedClass("ListReferrers")<{
  readonly repository: RepositoryName
  readonly digest: Digest.Digest
  readonly artifactType?: string | undefined
}> {}

/**
 * Any call on a registry.
 *
 * @since 0.1.0
 * @category models
 */
export type Operation =
  | ResolveBlob
  | GetBlob
  | ResolveManifest
  | GetManifest
  | PushBlob
  | MountBlob
  | StartUpload
  | GetUpload
  | AppendUpload
  | CompleteUpload
  | CancelUpload
  | PushManifest
  | DeleteBlob
  | DeleteManifest
  | DeleteTag
  | ListRepositories
  | ListTags
  | ListReferrers

export type { OperationTag }

/**
 * The operation of a name.
 *
 * @since 0.1.0
 * @category models
 */
export type OperationOf<Tag extends OperationTag> = Extract<Operation, { readonly _tag: Tag }>

/**
 * An upload in progress. `id` may change with every answer: the newest counts. `offset` is how many bytes the registry
 * has; `minChunkSize`, in bytes, binds every chunk but the last.
 *
 * @since 0.1.0
 * @category results
 */
export interface Upload {
  readonly id: string
  readonly offset: number
  readonly minChunkSize?: number | undefined
}

/**
 * The blob was mounted: it is a member of the repository now.
 *
 * @since 0.1.0
 * @category results
 */
export class Mounted extends Data.TaggedClass("Mounted")<{ readonly digest: Digest.Digest }> {}

/**
 * The blob could not be mounted; an upload was opened for it.
 *
 * @since 0.1.0
 * @category results
 */
export class UploadStarted extends Data.TaggedClass("UploadStarted")<{ readonly upload: Upload }> {}

/**
 * It is done, and there is nothing to say of it. Not `void`, so that a wrapper cannot answer nothing by accident.
 *
 * @since 0.1.0
 * @category results
 */
export class Done extends Data.TaggedClass("Done") {}

/**
 * The one {@link Done} that is needed.
 *
 * @since 0.1.0
 * @category results
 */
export const done: Done = new Done()

/**
 * A manifest that was pushed: its descriptor, the tags that point at it now, and its subject if the registry keeps it
 * among the subject's referrers (`OCI-Subject`).
 *
 * @since 0.1.0
 * @category results
 */
export interface PushedManifest extends Descriptor.Descriptor {
  readonly subject?: Digest.Digest | undefined
  readonly tags: ReadonlyArray<Tag>
}

/**
 * What each operation answers. What is asked for by a digest is described by that digest.
 *
 * @since 0.1.0
 * @category results
 */
export interface Results {
  readonly ResolveBlob: Descriptor.Descriptor
  readonly GetBlob: BlobContent
  readonly ResolveManifest: Descriptor.Descriptor
  readonly GetManifest: Manifest.Manifest
  readonly PushBlob: Descriptor.Descriptor
  readonly MountBlob: Mounted | UploadStarted
  readonly StartUpload: Upload
  readonly GetUpload: Upload
  readonly AppendUpload: Upload
  readonly CompleteUpload: Descriptor.Descriptor
  readonly CancelUpload: Done
  readonly PushManifest: PushedManifest
  readonly DeleteBlob: Done
  readonly DeleteManifest: Done
  readonly DeleteTag: Done
  readonly ListRepositories: Stream.Stream<RepositoryName, RegistryError>
  readonly ListTags: Stream.Stream<Tag, RegistryError>
  readonly ListReferrers: Stream.Stream<Descriptor.Descriptor, RegistryError>
}

/**
 * What an operation answers.
 *
 * @since 0.1.0
 * @category results
 */
export type ResultOf<O extends Operation> = Results[O["_tag"]]

/**
 * What an operation needs besides: the content of a blob stays open as long as its scope.
 *
 * @since 0.1.0
 * @category results
 */
export type ScopeOf<O extends Operation> = "GetBlob" extends O["_tag"] ? Scope.Scope : never

/**
 * What is known of an operation without running it.
 *
 * @since 0.1.0
 * @category traits
 */
export interface Trait<O extends Operation> {
  /** Which of the four facets of a registry it belongs to. */
  readonly access: Access
  /** The repositories that it touches, and what it does there. */
  readonly repositories: (operation: O) => ReadonlyArray<Touched>
  /** The scope that a token must hold for it. */
  readonly requiredScope: (operation: O) => AuthScope.AuthScope
  /**
   * Whether it may be sent again where it is not known if it was done: `safe` changes nothing; `idempotent` leaves the
   * same behind, once or twice, but for an upload that nobody goes on with; `once` must not be.
   */
  readonly repeat: "safe" | "idempotent" | "once"
}

/**
 * The facets of a registry.
 *
 * @since 0.1.0
 * @category traits
 */
export type Access = "read" | "write" | "delete" | "list"

/**
 * A repository that an operation touches, and what it does there.
 *
 * @since 0.1.0
 * @category traits
 */
export interface Touched {
  readonly repository: RepositoryName
  readonly action: "pull" | "push" | "delete"
}
