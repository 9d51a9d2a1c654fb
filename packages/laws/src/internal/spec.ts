import * as ByteRange from "@effect-oci/core/ByteRange"
import type { Descriptor } from "@effect-oci/core/Descriptor"
import type * as Digest from "@effect-oci/core/Digest"
import * as MediaType from "@effect-oci/core/MediaType"
import * as Operation from "@effect-oci/core/Operation"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import type { Tag } from "@effect-oci/core/Tag"
import type { Expected, Spec } from "../Law.js"
import * as content from "./content.js"

export const fails = (...errors: ReadonlyArray<string>): Expected => ({ errors })
export const is = (result: unknown, upload?: string): Expected => ({ result, upload })

/** Returns at most `limit` names after `last`, in ASCII order. */
export const page = <A extends string>(names: Iterable<A>, last: A | undefined, limit: number | undefined) =>
  Array.from(names).filter((name) => last === undefined || name > last).toSorted().slice(0, limit)

interface Repository {
  readonly blobs: ReadonlySet<Digest.Digest>
  /** The media type of each manifest. */
  readonly manifests: ReadonlyMap<Digest.Digest, string>
  readonly tags: ReadonlyMap<Tag, Digest.Digest>
}

interface Upload {
  readonly repository: RepositoryName
  readonly bytes: Uint8Array
}

interface State {
  readonly repositories: ReadonlyMap<RepositoryName, Repository>
  readonly uploads: ReadonlyMap<string, Upload>
  readonly opened: number
}

const nothing: Repository = { blobs: new Set(), manifests: new Map(), tags: new Map() }

/** The state of a model, and the steps that its operations share. */
class Contents {
  private state: State = { repositories: new Map(), uploads: new Map(), opened: 0 }

  /** `name` makes the ids of the upload sessions unique. */
  constructor(private readonly name: string) {}

  /** Returns a function that restores the current state. */
  save(): () => void {
    const saved = this.state
    return () => {
      this.state = saved
    }
  }

  names(): Iterable<RepositoryName> {
    return this.state.repositories.keys()
  }

  repository(name: RepositoryName): Repository {
    return this.state.repositories.get(name) ?? nothing
  }

  update(name: RepositoryName, change: (known: Repository) => Partial<Repository>): void {
    const known = this.repository(name)
    const repositories = new Map(this.state.repositories).set(name, { ...known, ...change(known) })
    this.state = { ...this.state, repositories }
  }

  link(name: RepositoryName, digest: Digest.Digest): void {
    this.update(name, ({ blobs }) => ({ blobs: new Set(blobs).add(digest) }))
  }

  start(repository: RepositoryName): Expected {
    const id = `${this.name}-${this.state.opened}`
    this.state = { ...this.state, opened: this.state.opened + 1 }
    this.setUpload(id, { repository, bytes: new Uint8Array(0) })
    return is({ offset: 0 }, id)
  }

  setUpload(id: string, upload: Upload | undefined): void {
    const uploads = new Map(this.state.uploads)
    if (upload === undefined) uploads.delete(id)
    else uploads.set(id, upload)
    this.state = { ...this.state, uploads }
  }

  /** Passes the bytes of an upload session to `f`. Fails if the session is unknown or its offset differs. */
  upload(
    { id, offset, repository }:
      & { readonly id: string; readonly offset?: number | undefined }
      & Pick<Upload, "repository">,
    f: (bytes: Uint8Array) => Expected
  ): Expected {
    const open = this.state.uploads.get(id)
    if (open === undefined || open.repository !== repository) return fails("OciBlobUploadUnknown")
    return offset === undefined || offset === open.bytes.byteLength ? f(open.bytes) : fails("OciRangeInvalid")
  }

  /** Passes the bytes of a blob to `f`. Fails if the repository does not contain the blob. */
  blob(name: RepositoryName, digest: Digest.Digest, f: (bytes: Uint8Array) => Expected): Expected {
    return this.repository(name).blobs.has(digest) ? f(content.blob(digest)) : fails("OciBlobUnknown")
  }

  /** Tests whether a manifest of a repository refers to a blob or to a manifest. */
  refersTo(name: RepositoryName, digest: Digest.Digest): boolean {
    return Array.from(this.repository(name).manifests.keys(), content.manifest)
      .some(({ blobs, children }) => blobs.includes(digest) || children.includes(digest))
  }

  /** Passes a repository to `f`. Fails if it is unknown. */
  within(name: RepositoryName, f: (known: Repository) => Expected): Expected {
    const known = this.state.repositories.get(name)
    return known === undefined ? fails("OciNameUnknown") : f(known)
  }

  /** Passes the descriptor of a manifest to `f`. Fails if the repository does not contain the manifest. */
  manifest(name: RepositoryName, reference: Operation.TagOrDigest, f: (descriptor: Descriptor) => Expected): Expected {
    return this.within(name, ({ manifests, tags }) => {
      const digest = Operation.isDigest(reference) ? reference : tags.get(reference)
      const mediaType = digest === undefined ? undefined : manifests.get(digest)
      return digest === undefined || mediaType === undefined
        ? fails("OciManifestUnknown")
        : f({ ...content.manifest(digest).descriptor, mediaType })
    })
  }
}

const blobIs = (digest: Digest.Digest, size: number): Expected =>
  is({ mediaType: "application/octet-stream", digest, size })

type Rows = {
  readonly [Name in Operation.OperationTag]: (contents: Contents, operation: Operation.OperationOf<Name>) => Expected
}

const blobRows: Pick<Rows, "ResolveBlob" | "GetBlob" | "PushBlob" | "MountBlob" | "DeleteBlob"> = {
  ResolveBlob: (contents, { digest, repository }) =>
    contents.blob(repository, digest, (bytes) => blobIs(digest, bytes.byteLength)),
  GetBlob: (contents, { digest, range: requested, repository }) =>
    contents.blob(repository, digest, (bytes) => {
      if (requested === undefined) return is({ size: bytes.byteLength, digest })
      const range = ByteRange.resolve(requested, bytes.byteLength)
      if (range === undefined) return fails("OciRangeInvalid")
      const part = bytes.subarray(range.offset, range.offset + range.length)
      return is({ size: bytes.byteLength, range, digest: content.digestOf(part) })
    }),
  PushBlob: (contents, { body, descriptor: { digest, size }, repository }) => {
    if (content.digestOf(content.bytesOf(body)) !== digest) return fails("OciDigestInvalid")
    contents.link(repository, digest)
    return blobIs(digest, size)
  },
  MountBlob: (contents, { digest, from, repository }) => {
    if (from === undefined || !contents.repository(from).blobs.has(digest)) return contents.start(repository)
    contents.link(repository, digest)
    return is(digest)
  },
  DeleteBlob: (contents, { digest, repository }) =>
    contents.blob(repository, digest, () => {
      if (contents.refersTo(repository, digest)) return fails("OciUnsupported")
      contents.update(repository, ({ blobs }) => ({
        blobs: new Set(Array.from(blobs).filter((each) => each !== digest))
      }))
      return is(Operation.done)
    })
}

const uploadRows: Pick<Rows, "StartUpload" | "GetUpload" | "AppendUpload" | "CompleteUpload" | "CancelUpload"> = {
  StartUpload: (contents, { repository }) => contents.start(repository),
  GetUpload: (contents, operation) =>
    contents.upload(operation, (bytes) => is({ offset: bytes.byteLength }, operation.id)),
  AppendUpload: (contents, operation) =>
    contents.upload(operation, (before) => {
      const bytes = content.joined(before, operation.body)
      contents.setUpload(operation.id, { repository: operation.repository, bytes })
      return is({ offset: bytes.byteLength }, operation.id)
    }),
  CompleteUpload: (contents, operation) =>
    contents.upload(operation, (before) => {
      const bytes = content.joined(before, operation.body)
      contents.setUpload(operation.id, undefined)
      if (content.digestOf(bytes) !== operation.digest) return fails("OciDigestInvalid")
      contents.link(operation.repository, operation.digest)
      return blobIs(operation.digest, bytes.byteLength)
    }),
  CancelUpload: (contents, operation) =>
    contents.upload(operation, () => {
      contents.setUpload(operation.id, undefined)
      return is(Operation.done)
    })
}

const manifestRows: Pick<
  Rows,
  "ResolveManifest" | "GetManifest" | "PushManifest" | "DeleteManifest" | "DeleteTag"
> = {
  ResolveManifest: (contents, { reference, repository }) =>
    contents.manifest(repository, reference, (found) => is(found)),
  GetManifest: (contents, { reference, repository }) =>
    contents.manifest(
      repository,
      reference,
      (descriptor) => is({ ...descriptor, content: content.digestOf(content.manifest(descriptor.digest).bytes) })
    ),
  PushManifest: (contents, operation) => {
    const { bytes, digest: declared, ifMatch, repository } = operation
    const digest = declared === content.sha512Of(bytes) ? declared : content.digestOf(bytes)
    const mediaType = MediaType.essence(operation.mediaType)
    const tags = Array.from(new Set(operation.tags))
    const { blobs, descriptor, problem, subject } = content.manifest(digest)
    if (problem !== undefined) return fails("OciManifestInvalid")
    if (declared !== undefined && declared !== digest) return fails("OciDigestInvalid")
    const known = contents.repository(repository)
    if ((known.manifests.get(digest) ?? mediaType) !== mediaType) return fails("OciManifestInvalid")
    if (blobs.some((each) => !known.blobs.has(each))) return fails("OciManifestBlobUnknown")
    const mayBeSet = (current: Digest.Digest | undefined) => current === digest || current === ifMatch
    if (Operation.isConditional(operation) && !tags.every((tag) => mayBeSet(known.tags.get(tag)))) {
      return fails("OciDenied")
    }
    contents.update(repository, (known) => ({
      manifests: new Map(known.manifests).set(digest, mediaType),
      tags: new Map([...known.tags, ...tags.map((tag) => [tag, digest] as const)])
    }))
    return is({ ...descriptor, mediaType, subject, tags })
  },
  DeleteManifest: (contents, { digest, repository }) =>
    contents.manifest(repository, digest, () => {
      if (contents.refersTo(repository, digest)) return fails("OciUnsupported")
      contents.update(repository, ({ manifests, tags }) => ({
        manifests: new Map(Array.from(manifests).filter(([each]) => each !== digest)),
        tags: new Map(Array.from(tags).filter(([, each]) => each !== digest))
      }))
      return is(Operation.done)
    }),
  DeleteTag: (contents, { repository, tag }) =>
    contents.manifest(repository, tag, () => {
      contents.update(repository, ({ tags }) => ({
        tags: new Map(Array.from(tags).filter(([each]) => each !== tag))
      }))
      return is(Operation.done)
    })
}

const rows: Rows = {
  ...blobRows,
  ...uploadRows,
  ...manifestRows,
  ListRepositories: (contents, { last, limit }) => is(page(contents.names(), last, limit)),
  ListTags: (contents, { last, limit, repository }) =>
    contents.within(repository, ({ tags }) => is(page(tags.keys(), last, limit))),
  ListReferrers: (contents, { artifactType, digest, repository }) =>
    is(
      Array.from(contents.repository(repository).manifests.keys()).toSorted().map(content.manifest)
        .filter(({ subject }) => subject === digest)
        .map(({ referrer }): Descriptor => referrer)
        .filter((each) => artifactType === undefined || each.artifactType === artifactType)
    )
}

/** The model of a registry that starts empty. `save` returns a function that restores the current state. */
export interface Backend {
  readonly spec: Spec
  readonly save: () => () => void
}

/**
 * Creates a model of the distribution spec for the sample content. `name` makes the ids of its upload sessions unique.
 */
export const backend = (name: string): Backend => {
  const contents = new Contents(name)
  return {
    spec: (operation) =>
      (rows[operation._tag] as (contents: Contents, operation: Operation.Operation) => Expected)(
        contents,
        operation
      ),
    save: () => contents.save()
  }
}
