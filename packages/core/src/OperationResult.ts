/**
 * The results of the operations. Import them from `Operation`.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { BlobContent } from "./BlobContent.js"
import type * as Descriptor from "./Descriptor.js"
import type * as Digest from "./Digest.js"
import type * as Manifest from "./Manifest.js"
import type { Operation } from "./OperationModel.js"
import type { RegistryError } from "./RegistryError.js"
import type { RepositoryName } from "./RepositoryName.js"
import type { Tag } from "./Tag.js"

/**
 * An upload session. `id` may change with every answer; always use the id of the newest answer. `offset` is the number
 * of bytes that the registry has. `minChunkSize` is the minimum size in bytes of every chunk except the last.
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
 * The blob was mounted: the repository now contains it.
 *
 * @since 0.1.0
 * @category results
 */
export class Mounted extends Data.TaggedClass("Mounted")<{ readonly digest: Digest.Digest }> {}

/**
 * The blob could not be mounted. The registry started an upload session for it.
 *
 * @since 0.1.0
 * @category results
 */
export class UploadStarted extends Data.TaggedClass("UploadStarted")<{ readonly upload: Upload }> {}

/**
 * The result of an operation that returns no data. It is not `void`, so that a wrapper cannot return nothing by
 * accident.
 *
 * @since 0.1.0
 * @category results
 */
export class Done extends Data.TaggedClass("Done") {}

/**
 * The shared instance of {@link Done}.
 *
 * @since 0.1.0
 * @category results
 */
export const done: Done = new Done()

/**
 * The result of pushing a manifest: its descriptor and the tags that point to it now. `subject` is set if the registry
 * lists the manifest among the referrers of that subject (`OCI-Subject`).
 *
 * @since 0.1.0
 * @category results
 */
export interface PushedManifest extends Descriptor.Descriptor {
  readonly subject?: Digest.Digest | undefined
  readonly tags: ReadonlyArray<Tag>
}

/**
 * The results by operation. Content that was requested by digest is described by that digest.
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
 * The result of an operation.
 *
 * @since 0.1.0
 * @category results
 */
export type ResultOf<O extends Operation> = Results[O["_tag"]]

/**
 * The shape of a result:
 *
 * - `value`: plain data;
 * - `content`: the content of a blob, whose bytes are read after the operation has answered;
 * - `list`: a stream of items.
 *
 * @since 0.1.0
 * @category results
 */
export type Shape = "value" | "content" | "list"

/**
 * The shape of a result.
 *
 * @since 0.1.0
 * @category results
 */
export type ShapeOfResult<A> = A extends BlobContent ? "content"
  : A extends Stream.Stream<unknown, unknown> ? "list"
  : "value"

/**
 * The shape of an operation's result.
 *
 * @since 0.1.0
 * @category results
 */
export type ShapeOf<O extends Operation> = ShapeOfResult<ResultOf<O>>

/**
 * The operations whose results have a shape.
 *
 * @since 0.1.0
 * @category results
 */
export type WithShape<S extends Shape> = {
  readonly [O in Operation as O["_tag"]]: ShapeOf<O> extends S ? O : never
}[Operation["_tag"]]

/**
 * The scope that an operation requires. The content of a blob stays open as long as its scope.
 *
 * @since 0.1.0
 * @category results
 */
export type ScopeOf<O extends Operation> = "content" extends ShapeOf<O> ? Scope.Scope : never
