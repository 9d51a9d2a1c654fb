import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
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
  /** Whether a blob is there, and its descriptor. Fails with `BlobUnknown`. */
  readonly resolveBlob: (repository: RepositoryName, digest: Digest.Digest) => Answer<Descriptor.Descriptor>
  /**
   * The content of a blob, or a range of it. The stream stays open as long as the scope. A whole blob is checked
   * against its digest and size as it flows; a range cannot be. Fails with `BlobUnknown`, `RangeInvalid`.
   */
  readonly getBlob: (
    repository: RepositoryName,
    digest: Digest.Digest,
    options?: { readonly range?: ByteRange | undefined }
  ) => Answer<BlobContent.BlobContent, Scope.Scope>
  /** Whether a manifest is there, and its descriptor. Fails with `ManifestUnknown`, `NameUnknown`. */
  readonly resolveManifest: (
    repository: RepositoryName,
    reference: Operation.TagOrDigest
  ) => Answer<Descriptor.Descriptor>
  /** A manifest: its exact bytes, checked against its digest. Fails with `ManifestUnknown`, `NameUnknown`. */
  readonly getManifest: (repository: RepositoryName, reference: Operation.TagOrDigest) => Answer<Manifest.Manifest>
}

/** The methods that write. */
export interface Writer {
  /** Puts a blob. Fails with `DigestInvalid`, `SizeInvalid` where the body is not what the descriptor says. */
  readonly pushBlob: (
    repository: RepositoryName,
    descriptor: Descriptor.Descriptor,
    body: Body.Body
  ) => Answer<Descriptor.Descriptor>
  /** Makes a blob of another repository a member of this one, or opens an upload where that cannot be done. */
  readonly mountBlob: (
    repository: RepositoryName,
    digest: Digest.Digest,
    options?: { readonly from?: RepositoryName | undefined }
  ) => Answer<Operation.Mounted | Operation.UploadStarted>
  /** Opens an upload. */
  readonly startUpload: (
    repository: RepositoryName,
    options?: { readonly algorithm?: string | undefined }
  ) => Answer<Operation.Upload>
  /** How far an upload is. Fails with `BlobUploadUnknown`. */
  readonly getUpload: (repository: RepositoryName, id: string) => Answer<Operation.Upload>
  /** Adds a chunk to an upload. Fails with `RangeInvalid` where `offset` is not where the upload stands. */
  readonly appendUpload: (
    repository: RepositoryName,
    id: string,
    body: Body.Body,
    options?: { readonly offset?: number | undefined }
  ) => Answer<Operation.Upload>
  /** Ends an upload, with a last chunk or without. Fails with `DigestInvalid` where the whole is something else. */
  readonly completeUpload: (
    repository: RepositoryName,
    id: string,
    digest: Digest.Digest,
    options?: { readonly offset?: number | undefined; readonly body?: Body.Body | undefined }
  ) => Answer<Descriptor.Descriptor>
  /** Gives an upload up. */
  readonly cancelUpload: (repository: RepositoryName, id: string) => Answer<Operation.Done>
  /** Puts a manifest, under its digest and any number of tags. Fails with `ManifestInvalid`, `ManifestBlobUnknown`. */
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
  /** Takes a blob out of a repository. Fails with `BlobUnknown`. */
  readonly deleteBlob: (repository: RepositoryName, digest: Digest.Digest) => Answer<Operation.Done>
  /** Takes a manifest, and all tags that point at it, out of a repository. Fails with `ManifestUnknown`. */
  readonly deleteManifest: (repository: RepositoryName, digest: Digest.Digest) => Answer<Operation.Done>
  /** Takes a tag away; its manifest stays. Fails with `ManifestUnknown`. */
  readonly deleteTag: (repository: RepositoryName, tag: Tag) => Answer<Operation.Done>
}

/** The methods that list. All lists are streams, in order; `limit` is a total, not a page. */
export interface Lister {
  /** All repositories. */
  readonly listRepositories: (options?: {
    readonly last?: RepositoryName | undefined
    readonly limit?: number | undefined
  }) => Stream.Stream<RepositoryName, RegistryError>
  /** The tags of a repository. Fails with `NameUnknown`. */
  readonly listTags: (
    repository: RepositoryName,
    options?: { readonly last?: Tag | undefined; readonly limit?: number | undefined }
  ) => Stream.Stream<Tag, RegistryError>
  /** Returns the manifests whose subject has the digest: none in a repository that does not exist. */
  readonly listReferrers: (
    repository: RepositoryName,
    digest: Digest.Digest,
    options?: { readonly artifactType?: string | undefined }
  ) => Stream.Stream<Descriptor.Descriptor, RegistryError>
}

/** All methods of a registry, and the handler they are built on. */
export interface Service extends Reader, Writer, Deleter, Lister {
  /** Answers any operation. The content of a blob comes as it is: `verified` says whether it was checked. */
  readonly handle: Handler
}

export class ReaderTag extends Context.Tag("@effect-oci/core/Registry/Reader")<ReaderTag, Reader>() {}
export class WriterTag extends Context.Tag("@effect-oci/core/Registry/Writer")<WriterTag, Writer>() {}
export class DeleterTag extends Context.Tag("@effect-oci/core/Registry/Deleter")<DeleterTag, Deleter>() {}
export class ListerTag extends Context.Tag("@effect-oci/core/Registry/Lister")<ListerTag, Lister>() {}

/**
 * A method asks when it is run, and again each time that it is run again. A handler may answer as soon as it is called,
 * and such an answer would grow old in an effect that is kept or retried.
 */
const whenRun = (handle: Handler): Handler => (operation) => Effect.suspend(() => handle(operation))

export const reader = (handler: Handler): Reader => {
  const handle = whenRun(verified(handler))
  return {
    resolveBlob: (repository, digest) => handle(new Operation.ResolveBlob({ repository, digest })),
    getBlob: (repository, digest, options) => handle(new Operation.GetBlob({ repository, digest, ...options })),
    resolveManifest: (repository, reference) => handle(new Operation.ResolveManifest({ repository, reference })),
    getManifest: (repository, reference) => handle(new Operation.GetManifest({ repository, reference }))
  }
}

export const writer = (handler: Handler): Writer => {
  const handle = whenRun(handler)
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
  const handle = whenRun(handler)
  return {
    deleteBlob: (repository, digest) => handle(new Operation.DeleteBlob({ repository, digest })),
    deleteManifest: (repository, digest) => handle(new Operation.DeleteManifest({ repository, digest })),
    deleteTag: (repository, tag) => handle(new Operation.DeleteTag({ repository, tag }))
  }
}

export const lister = (handler: Handler): Lister => {
  const handle = whenRun(handler)
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
