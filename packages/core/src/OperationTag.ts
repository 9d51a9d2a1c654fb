/**
 * The names of the operations. Import them from `Operation`.
 *
 * @since 0.1.0
 */

/**
 * The names of all operations, in the order used everywhere: pull, push, delete, list.
 *
 * @since 0.1.0
 * @category models
 */
export const tags = [
  "ResolveBlob",
  "GetBlob",
  "ResolveManifest",
  "GetManifest",
  "PushBlob",
  "MountBlob",
  "StartUpload",
  "GetUpload",
  "AppendUpload",
  "CompleteUpload",
  "CancelUpload",
  "PushManifest",
  "DeleteBlob",
  "DeleteManifest",
  "DeleteTag",
  "ListRepositories",
  "ListTags",
  "ListReferrers"
] as const

/**
 * The name of an operation.
 *
 * @since 0.1.0
 * @category models
 */
export type OperationTag = (typeof tags)[number]
