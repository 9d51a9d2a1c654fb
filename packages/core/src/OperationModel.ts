/**
 * The operations as data types. Import them from `Operation`.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type * as Body from "./Body.js"
import type { ByteRange } from "./ByteRange.js"
import type * as Descriptor from "./Descriptor.js"
import type * as Digest from "./Digest.js"
import type { OperationTag } from "./OperationTag.js"
import type { RepositoryName } from "./RepositoryName.js"
import type { Tag } from "./Tag.js"

/**
 * A reference to a manifest within a repository: a tag or a digest. A digest contains a colon, and a tag never does.
 *
 * @since 0.1.0
 * @category models
 */
export type TagOrDigest = Tag | Digest.Digest

/**
 * Looks up a blob: whether it exists, and its size. Spec: [Checking if content exists in the
 * registry](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#checking-if-content-exists-in-the-registry).
 *
 * @since 0.1.0
 * @category pull
 */
export class ResolveBlob extends Data.TaggedClass("ResolveBlob")<{
  readonly repository: RepositoryName
  readonly digest: Digest.Digest
}> {}

/**
 * Reads the content of a blob, or a range of it. Spec: [Pulling
 * blobs](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-blobs).
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
 * Looks up a manifest: whether it exists, and its descriptor. Spec: [Checking if content exists in the
 * registry](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#checking-if-content-exists-in-the-registry).
 *
 * @since 0.1.0
 * @category pull
 */
export class ResolveManifest extends Data.TaggedClass("ResolveManifest")<{
  readonly repository: RepositoryName
  readonly reference: TagOrDigest
}> {}

/**
 * Reads a manifest: its exact bytes. Spec: [Pulling
 * manifests](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests).
 *
 * @since 0.1.0
 * @category pull
 */
export class GetManifest extends Data.TaggedClass("GetManifest")<{
  readonly repository: RepositoryName
  readonly reference: TagOrDigest
}> {}

/**
 * Pushes a blob in one step. The content must have the digest and the size of the descriptor. Spec: [Pushing a blob
 * monolithically](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-a-blob-monolithically).
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
 * Mounts a blob of another repository into this one. If the registry cannot mount it, it starts an upload session
 * instead. Spec: [Mounting a blob from another
 * repository](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#mounting-a-blob-from-another-repository).
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
 * Starts an upload session. `algorithm` is the algorithm of the digest that will complete the upload, if it is not
 * sha256. Spec: [Pushing a blob in
 * chunks](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-a-blob-in-chunks).
 *
 * @since 0.1.0
 * @category push
 */
export class StartUpload extends Data.TaggedClass("StartUpload")<{
  readonly repository: RepositoryName
  readonly algorithm?: string | undefined
}> {}

/**
 * Looks up an upload session: how many bytes the registry has received. Spec: [Pushing a blob in
 * chunks](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-a-blob-in-chunks).
 *
 * @since 0.1.0
 * @category push
 */
export class GetUpload extends Data.TaggedClass("GetUpload")<{
  readonly repository: RepositoryName
  readonly id: string
}> {}

/**
 * Appends a chunk to an upload session. `offset` must equal the number of bytes that the registry has. Without an
 * `offset` the chunk is appended at the current end. Spec: [Pushing a blob in
 * chunks](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-a-blob-in-chunks).
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
 * Completes an upload session, optionally with a last chunk. The whole content must match the digest. Spec: [Pushing a
 * blob in chunks](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-a-blob-in-chunks).
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
 * Cancels an upload session. Spec: [Cancel a blob
 * upload](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#cancel-a-blob-upload).
 *
 * @since 0.1.0
 * @category push
 */
export class CancelUpload extends Data.TaggedClass("CancelUpload")<{
  readonly repository: RepositoryName
  readonly id: string
}> {}

/**
 * Pushes a manifest under its digest and any number of tags. A push may have one condition. All of its tags must meet
 * the condition. If one of them does not, the push fails with `Denied` and nothing is changed:
 *
 * - `ifAbsent`: the tag does not exist.
 * - `ifMatch`: the tag points at the manifest with this digest. It is the digest that resolving the tag returns.
 *
 * A tag that already points at the pushed manifest meets both conditions, so a push can be repeated. Without tags a
 * condition has no effect.
 *
 * A condition is kept by the registry that stores the manifest. The spec does not describe conditions, so another
 * registry may ignore them: it then moves the tag, and answers as if it had no condition. The registries of this
 * project keep both.
 *
 * Spec: [Pushing
 * Manifests](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-manifests),
 * [proposal for conditions](https://github.com/opencontainers/distribution-spec/issues/250).
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
  readonly ifMatch?: Digest.Digest | undefined
}> {}

/**
 * Deletes a blob from a repository. Spec: [Deleting
 * Blobs](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#deleting-blobs).
 *
 * @since 0.1.0
 * @category delete
 */
export class DeleteBlob extends Data.TaggedClass("DeleteBlob")<{
  readonly repository: RepositoryName
  readonly digest: Digest.Digest
}> {}

/**
 * Deletes a manifest, and all tags that point to it, from a repository. Spec: [Deleting
 * Manifests](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#deleting-manifests).
 *
 * @since 0.1.0
 * @category delete
 */
export class DeleteManifest extends Data.TaggedClass("DeleteManifest")<{
  readonly repository: RepositoryName
  readonly digest: Digest.Digest
}> {}

/**
 * Deletes a tag. The manifest remains. Spec: [Deleting
 * tags](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#deleting-tags).
 *
 * @since 0.1.0
 * @category delete
 */
export class DeleteTag extends Data.TaggedClass("DeleteTag")<{
  readonly repository: RepositoryName
  readonly tag: Tag
}> {}

/**
 * Lists the repositories after `last`, in ASCII order. `limit` is the maximum number of all results. This operation is
 * not in the spec; Docker's registry offers it.
 *
 * @since 0.1.0
 * @category list
 */
export class ListRepositories extends Data.TaggedClass("ListRepositories")<{
  readonly last?: RepositoryName | undefined
  readonly limit?: number | undefined
}> {}

/**
 * Lists the tags of a repository after `last`, in ASCII order. `limit` is the maximum number of all results. Spec:
 * [Listing Tags](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-tags).
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
 * Lists the manifests whose subject has the digest. With `artifactType`, lists only manifests of that artifact type.
 * Spec: [Listing Referrers](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-referrers).
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

/**
 * The operation type with the given tag.
 *
 * @since 0.1.0
 * @category models
 */
export type OperationOf<Tag extends OperationTag> = Extract<Operation, { readonly _tag: Tag }>
