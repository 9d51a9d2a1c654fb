/** The names of the operations. */
export const operationTags = [
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
 * The names of the operations, in the order used everywhere: pull, push, delete, list.
 *
 * @since 0.1.0
 * @category models
 */
export type OperationTag = (typeof operationTags)[number]
