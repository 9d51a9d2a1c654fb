import * as Stream from "effect/Stream"
import { defer } from "../Answer.js"
import type * as Body from "../Body.js"
import type { ByteRange } from "../ByteRange.js"
import type * as Descriptor from "../Descriptor.js"
import type * as Digest from "../Digest.js"
import type { Handler } from "../Handler.js"
import { verified } from "../Middleware.js"
import * as Operation from "../Operation.js"
import type { RepositoryName } from "../RepositoryName.js"
import type { Tag } from "../Tag.js"

type Fields<O, Known extends PropertyKey> = Omit<O, Known | "_tag">

/** The methods of each facet. Their contract is in `Registry`. */
export const reader = (handler: Handler) => {
  const handle = defer(verified(handler))
  return {
    resolveBlob: (repository: RepositoryName, digest: Digest.Digest) =>
      handle(new Operation.ResolveBlob({ repository, digest })),
    getBlob: (
      repository: RepositoryName,
      digest: Digest.Digest,
      options?: { readonly range?: ByteRange | undefined }
    ) => handle(new Operation.GetBlob({ repository, digest, ...options })),
    resolveManifest: (repository: RepositoryName, reference: Operation.TagOrDigest) =>
      handle(new Operation.ResolveManifest({ repository, reference })),
    getManifest: (repository: RepositoryName, reference: Operation.TagOrDigest) =>
      handle(new Operation.GetManifest({ repository, reference }))
  }
}

export const writer = (handler: Handler) => {
  const handle = defer(handler)
  return {
    pushBlob: (repository: RepositoryName, descriptor: Descriptor.Descriptor, body: Body.Body) =>
      handle(new Operation.PushBlob({ repository, descriptor, body })),
    mountBlob: (
      repository: RepositoryName,
      digest: Digest.Digest,
      options?: Fields<Operation.MountBlob, "repository" | "digest">
    ) => handle(new Operation.MountBlob({ repository, digest, ...options })),
    startUpload: (repository: RepositoryName, options?: Fields<Operation.StartUpload, "repository">) =>
      handle(new Operation.StartUpload({ repository, ...options })),
    getUpload: (repository: RepositoryName, id: string) => handle(new Operation.GetUpload({ repository, id })),
    appendUpload: (
      repository: RepositoryName,
      id: string,
      body: Body.Body,
      options?: Fields<Operation.AppendUpload, "repository" | "id" | "body">
    ) => handle(new Operation.AppendUpload({ repository, id, body, ...options })),
    completeUpload: (
      repository: RepositoryName,
      id: string,
      digest: Digest.Digest,
      options?: Fields<Operation.CompleteUpload, "repository" | "id" | "digest">
    ) => handle(new Operation.CompleteUpload({ repository, id, digest, ...options })),
    cancelUpload: (repository: RepositoryName, id: string) => handle(new Operation.CancelUpload({ repository, id })),
    pushManifest: (
      repository: RepositoryName,
      manifest: Fields<Operation.PushManifest, "repository" | "tags"> & {
        readonly tags?: ReadonlyArray<Tag> | undefined
      }
    ) => handle(new Operation.PushManifest({ repository, ...manifest, tags: manifest.tags ?? [] }))
  }
}

export const deleter = (handler: Handler) => {
  const handle = defer(handler)
  return {
    deleteBlob: (repository: RepositoryName, digest: Digest.Digest) =>
      handle(new Operation.DeleteBlob({ repository, digest })),
    deleteManifest: (repository: RepositoryName, digest: Digest.Digest) =>
      handle(new Operation.DeleteManifest({ repository, digest })),
    deleteTag: (repository: RepositoryName, tag: Tag) => handle(new Operation.DeleteTag({ repository, tag }))
  }
}

export const lister = (handler: Handler) => {
  const handle = defer(handler)
  return {
    listRepositories: (options?: Fields<Operation.ListRepositories, never>) =>
      Stream.unwrap(handle(new Operation.ListRepositories({ ...options }))),
    listTags: (repository: RepositoryName, options?: Fields<Operation.ListTags, "repository">) =>
      Stream.unwrap(handle(new Operation.ListTags({ repository, ...options }))),
    listReferrers: (
      repository: RepositoryName,
      digest: Digest.Digest,
      options?: Fields<Operation.ListReferrers, "repository" | "digest">
    ) => Stream.unwrap(handle(new Operation.ListReferrers({ repository, digest, ...options })))
  }
}
