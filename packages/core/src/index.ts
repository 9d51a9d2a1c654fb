/**
 * The data model of OCI registries: references, digests, access scopes, operations and errors. Also contains the
 * `Registry` service.
 *
 * @since 0.1.0
 */
export * as Answer from "./Answer.js"
export * as AuthScope from "./AuthScope.js"
export * as BlobContent from "./BlobContent.js"
export * as BlobPush from "./BlobPush.js"
export * as Body from "./Body.js"
export * as ByteRange from "./ByteRange.js"
export * as Caller from "./Caller.js"
export * as Descriptor from "./Descriptor.js"
export * as Digest from "./Digest.js"
export * as Handler from "./Handler.js"
export * as LruMap from "./LruMap.js"
export * as Manifest from "./Manifest.js"
export * as MediaType from "./MediaType.js"
export * as Middleware from "./Middleware.js"
export * as Operation from "./Operation.js"
export * as Outcome from "./Outcome.js"
export { printable } from "./Printable.js"
export * as Reference from "./Reference.js"
export * as ReferenceSet from "./ReferenceSet.js"
export { Registry } from "./Registry.js"
export * as RegistryError from "./RegistryError.js"
export * as RepositoryName from "./RepositoryName.js"
export * as ResourceScope from "./ResourceScope.js"
export * as RetryBudget from "./RetryBudget.js"
export { SyntaxInvalid } from "./SyntaxInvalid.js"
export * as Tag from "./Tag.js"
export * as UploadIds from "./UploadIds.js"
