import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { defer } from "../Answer.js"
import type * as BlobContent from "../BlobContent.js"
import type * as Body from "../Body.js"
import type { ByteRange } from "../ByteRange.js"
import type * as Descriptor from "../Descriptor.js"
import type * as Digest from "../Digest.js"
import type { Handler } from "../Handler.js"
import type * as Manifest from "../Manifest.js"
import { verified } from "../Middleware.js"
import * as Operation from "../Operation.js"
import type { RegistryError } from "../RegistryError.js"
import type { RepositoryName } from "../RepositoryName.js"
import type { Tag } from "../Tag.js"

type Answer<A, R = never> = Effect.Effect<A, RegistryError, R>

/** The methods that read. */
export interface Reader {
  /** Looks up a blob and returns its descriptor. Fails with `BlobUnknown`. */
  readonly resolveBlob: (repository: RepositoryName, digest: Digest.Digest) => Answer<Descriptor.Descriptor>
  /**
   * Returns the content of a blob, or a range of it. The stream stays open as long as the scope. A whole blob is
   * verified against its digest and size as it flows. A range cannot be verified. Fails with `BlobUnknown`,
   * `RangeInvalid`.
   */
  readonly getBlob: (
    repository: RepositoryName,
    digest: Digest.Digest,
    options?: { readonly range?: ByteRange | undefined }
  ) => Answer<BlobContent.BlobContent, Scope.Scope>
  /** Looks up a manifest and returns its descriptor. Fails with `ManifestUnknown`, `NameUnknown`. */
  readonly resolveManifest: (
    repository: RepositoryName,
    reference: Operation.TagOrDigest
  ) => Answer<Descriptor.Descriptor>
  /** Returns a manifest: its exact bytes, verified against its digest. Fails with `ManifestUnknown`, `NameUnknown`. */
  readonly getManifest: (repository: RepositoryName, reference: Operation.TagOrDigest) => Answer<Manifest.Manifest>
}

/** The methods that write. */
export interface Writer {
  /** Pushes a blob. Fails with `DigestInvalid` or `SizeInvalid` if the body does not match the descriptor. */
  readonly pushBlob: (
    repository: RepositoryName,
    descriptor: Descriptor.Descriptor,
    body: Body.Body
  ) => Answer<Descriptor.Descriptor>
  /**
   * Mounts a blob of another repository into this one. If the registry cannot mount it, it starts an upload session.
   */
  readonly mountBlob: (
    repository: RepositoryName,
    digest: Digest.Digest,
    options?: { readonly from?: RepositoryName | undefined }
  ) => Answer<Operation.Mounted | Operation.UploadStarted>
  /** Starts an upload session. */
  readonly startUpload: (
    repository: RepositoryName,
    options?: { readonly algorithm?: string | undefined }
  ) => Answer<Operation.Upload>
  /** Returns how many bytes of an upload the registry has. Fails with `BlobUploadUnknown`. */
  readonly getUpload: (repository: RepositoryName, id: string) => Answer<Operation.Upload>
  /**
   * Appends a chunk to an upload session. Fails with `RangeInvalid` if `offset` is not the current end of the upload.
   */
  readonly appendUpload: (
    repository: RepositoryName,
    id: string,
    body: Body.Body,
    options?: { readonly offset?: number | undefined }
  ) => Answer<Operation.Upload>
  /**
   * Completes an upload session, optionally with a last chunk. Fails with `DigestInvalid` if the content does not
   * match.
   */
  readonly completeUpload: (
    repository: RepositoryName,
    id: string,
    digest: Digest.Digest,
    options?: { readonly offset?: number | undefined; readonly body?: Body.Body | undefined }
  ) => Answer<Descriptor.Descriptor>
  /** Cancels an upload session. */
  readonly cancelUpload: (repository: RepositoryName, id: string) => Answer<Operation.Done>
  /** Pushes a manifest under its digest and any number of tags. Fails with `ManifestInvalid`, `ManifestBlobUnknown`. */
  readonly pushManifest: (
    repository: RepositoryName,
    manifest: {
      readonly mediaType: string
      readonly bytes: Uint8Array
      readonly digest?: Digest.Digest | undefined
      readonly tags?: ReadonlyArray<Tag> | undefined
      readonly ifAbsent?: boolean | undefined
    }
  ) => Answer<Operation.PushedManifest>
}

/** The methods that delete. */
export interface Deleter {
  /** Deletes a blob from a repository. Fails with `BlobUnknown`. */
  readonly deleteBlob: (repository: RepositoryName, digest: Digest.Digest) => Answer<Operation.Done>
  /** Deletes a manifest, and all tags that point to it, from a repository. Fails with `ManifestUnknown`. */
  readonly deleteManifest: (repository: RepositoryName, digest: Digest.Digest) => Answer<Operation.Done>
  /** Deletes a tag. The manifest remains. Fails with `ManifestUnknown`. */
  readonly deleteTag: (repository: RepositoryName, tag: Tag) => Answer<Operation.Done>
}

/**
 * The methods that list. Each list is an ordered stream. `limit` is the maximum number of all results, not a page size.
 */
export interface Lister {
  /** Lists all repositories. */
  readonly listRepositories: (options?: {
    readonly last?: RepositoryName | undefined
    readonly limit?: number | undefined
  }) => Stream.Stream<RepositoryName, RegistryError>
  /** Lists the tags of a repository. Fails with `NameUnknown`. */
  readonly listTags: (
    repository: RepositoryName,
    options?: { readonly last?: Tag | undefined; readonly limit?: number | undefined }
  ) => Stream.Stream<Tag, RegistryError>
  /** Lists the manifests whose subject has the digest. The list is empty if the repository does not exist. */
  readonly listReferrers: (
    repository: RepositoryName,
    digest: Digest.Digest,
    options?: { readonly artifactType?: string | undefined }
  ) => Stream.Stream<Descriptor.Descriptor, RegistryError>
}

/** All methods of a registry, and the handler that they call. */
export interface Service extends Reader, Writer, Deleter, Lister {
  /**
   * Handles any operation. The content of a blob is not verified here: `verified` of the content says whether it was
   * verified.
   */
  readonly handle: Handler
}

export class ReaderTag extends Context.Tag("@effect-oci/core/Registry/Reader")<ReaderTag, Reader>() {}
export class WriterTag extends Context.Tag("@effect-oci/core/Registry/Writer")<WriterTag, Writer>() {}
export class DeleterTag extends Context.Tag("@effect-oci/core/Registry/Deleter")<DeleterTag, Deleter>() {}
export class ListerTag extends Context.Tag("@effect-oci/core/Registry/Lister")<ListerTag, Lister>() {}

export const reader = (handler: Handler): Reader => {
  const handle = defer(verified(handler))
  return {
    resolveBlob: (repository, digest) => handle(new Operation.ResolveBlob({ repository, digest })),
    getBlob: (repository, digest, options) => handle(new Operation.GetBlob({ repository, digest, ...options })),
    resolveManifest: (repository, reference) => handle(new Operation.ResolveManifest({ repository, reference })),
    getManifest: (repository, reference) => handle(new Operation.GetManifest({ repository, reference }))
  }
}

export const writer = (handler: Handler): Writer => {
  const handle = defer(handler)
  return {
    pushBlob: (repository, descriptor, body) => handle(new Operation.PushBlob({ repository, descriptor, body })),
    mountBlob: (repository, digest, options) => handle(new Operation.MountBlob({ repository, digest, ...options })),
    startUpload: (repository, options) => handle(new Operation.StartUpload({ repository, ...options })),
    getUpload: (repository, id) => handle(new Operation.GetUpload({ repository, id })),
    appendUpload: (repository, id, body, options) =>
      handle(new Operation.AppendUpload({ repository, id, body, ...options })),
    completeUpload: (repository, id, digest, options) =>
      handle(new Operation.CompleteUpload({ repository, id, digest, ...options })),
    cancelUpload: (repository, id) => handle(new Operation.CancelUpload({ repository, id })),
    pushManifest: (repository, manifest) =>
      handle(new Operation.PushManifest({ repository, ...manifest, tags: manifest.tags ?? [] }))
  }
}

export const deleter = (handler: Handler): Deleter => {
  const handle = defer(handler)
  return {
    deleteBlob: (repository, digest) => handle(new Operation.DeleteBlob({ repository, digest })),
    deleteManifest: (repository, digest) => handle(new Operation.DeleteManifest({ repository, digest })),
    deleteTag: (repository, tag) => handle(new Operation.DeleteTag({ repository, tag }))
  }
}

export const lister = (handler: Handler): Lister => {
  const handle = defer(handler)
  return {
    listRepositories: (options) => Stream.unwrap(handle(new Operation.ListRepositories({ ...options }))),
    listTags: (repository, options) => Stream.unwrap(handle(new Operation.ListTags({ repository, ...options }))),
    listReferrers: (repository, digest, options) =>
      Stream.unwrap(handle(new Operation.ListReferrers({ repository, digest, ...options })))
  }
}

export const fromHandler = (handle: Handler): Service => ({
  handle,
  ...reader(handle),
  ...writer(handle),
  ...deleter(handle),
  ...lister(handle)
})
