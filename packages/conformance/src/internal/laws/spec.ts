import * as ByteRange from "@effect-oci/core/ByteRange"
import type { Descriptor } from "@effect-oci/core/Descriptor"
import type * as Digest from "@effect-oci/core/Digest"
import * as MediaType from "@effect-oci/core/MediaType"
import * as Operation from "@effect-oci/core/Operation"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import type { Tag } from "@effect-oci/core/Tag"
import * as content from "./content.js"

/**
 * The expected answer of a registry: a result in the form of `Told`, with the id of the upload session if one is open;
 * or an error with one of these tags.
 *
 * @since 0.1.0
 * @category models
 */
export type Expected =
  | { readonly result: unknown; readonly upload?: string | undefined }
  | { readonly errors: ReadonlyArray<string> }

/**
 * The model of a registry: a plain function of operations, with state. Real registries are compared with it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Spec {
  (operation: Operation.Operation): Expected
}

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

/** The model of a registry that starts empty. `save` returns a function that restores the current state. */
export interface Backend {
  readonly spec: Spec
  readonly save: () => () => void
}

/**
 * Creates a model of the distribution spec for the sample content. `name` makes the ids of its upload sessions unique.
 */
export const backend = (name: string): Backend => {
  let state: State = { repositories: new Map(), uploads: new Map(), opened: 0 }

  const of = (repository: RepositoryName): Repository | undefined => state.repositories.get(repository)

  const update = (repository: RepositoryName, change: (known: Repository) => Partial<Repository>) => {
    const known = of(repository) ?? nothing
    state = {
      ...state,
      repositories: new Map(state.repositories).set(repository, { ...known, ...change(known) })
    }
  }

  const setUpload = (id: string, upload: Upload | undefined) => {
    const uploads = new Map(state.uploads)
    if (upload === undefined) uploads.delete(id)
    else uploads.set(id, upload)
    state = { ...state, uploads }
  }

  const link = (repository: RepositoryName, digest: Digest.Digest) =>
    update(repository, ({ blobs }) => ({ blobs: new Set(blobs).add(digest) }))

  const start = (repository: RepositoryName): Expected => {
    const id = `${name}-${state.opened}`
    state = { ...state, opened: state.opened + 1 }
    setUpload(id, { repository, bytes: new Uint8Array(0) })
    return is({ offset: 0 }, id)
  }

  const blob = (digest: Digest.Digest, size: number): Expected =>
    is({ mediaType: "application/octet-stream", digest, size })

  const within = (repository: RepositoryName, f: (known: Repository) => Expected): Expected => {
    const known = of(repository)
    return known === undefined ? fails("NameUnknown") : f(known)
  }

  const manifest = (
    repository: RepositoryName,
    reference: Operation.TagOrDigest,
    f: (descriptor: Descriptor) => Expected
  ): Expected =>
    within(repository, ({ manifests, tags }) => {
      const digest = Operation.isDigest(reference) ? reference : tags.get(reference)
      const mediaType = digest === undefined ? undefined : manifests.get(digest)
      return digest === undefined || mediaType === undefined
        ? fails("ManifestUnknown")
        : f({ ...content.manifest(digest).descriptor, mediaType })
    })

  const stored = (repository: RepositoryName, digest: Digest.Digest, f: (bytes: Uint8Array) => Expected): Expected =>
    of(repository)?.blobs.has(digest) === true ? f(content.blob(digest)) : fails("BlobUnknown")

  /** Passes the bytes of an upload session to `f`. Fails if the session is unknown or its offset differs. */
  const upload = (
    { id, offset, repository }:
      & { readonly id: string; readonly offset?: number | undefined }
      & Pick<Upload, "repository">,
    f: (bytes: Uint8Array) => Expected
  ): Expected => {
    const open = state.uploads.get(id)
    if (open === undefined || open.repository !== repository) return fails("BlobUploadUnknown")
    return offset === undefined || offset === open.bytes.byteLength ? f(open.bytes) : fails("RangeInvalid")
  }

  const spec: Spec = (operation) => {
    switch (operation._tag) {
      case "ResolveBlob":
        return stored(operation.repository, operation.digest, (bytes) => blob(operation.digest, bytes.byteLength))
      case "GetBlob":
        return stored(operation.repository, operation.digest, (bytes) => {
          if (operation.range === undefined) return is({ size: bytes.byteLength, digest: operation.digest })
          const range = ByteRange.resolve(operation.range, bytes.byteLength)
          if (range === undefined) return fails("RangeInvalid")
          const part = bytes.subarray(range.offset, range.offset + range.length)
          return is({ size: bytes.byteLength, range, digest: content.digestOf(part) })
        })
      case "ResolveManifest":
        return manifest(operation.repository, operation.reference, (descriptor) => is(descriptor))
      case "GetManifest":
        return manifest(
          operation.repository,
          operation.reference,
          (descriptor) => is({ ...descriptor, content: content.digestOf(content.manifest(descriptor.digest).bytes) })
        )
      case "PushBlob": {
        const { body, descriptor: { digest, size }, repository } = operation
        if (content.digestOf(content.inHand(body)) !== digest) return fails("DigestInvalid")
        link(repository, digest)
        return blob(digest, size)
      }
      case "MountBlob": {
        const { digest, from, repository } = operation
        if (from === undefined || of(from)?.blobs.has(digest) !== true) return start(repository)
        link(repository, digest)
        return is(digest)
      }
      case "StartUpload":
        return start(operation.repository)
      case "GetUpload":
        return upload(operation, (bytes) => is({ offset: bytes.byteLength }, operation.id))
      case "AppendUpload":
        return upload(operation, (before) => {
          const bytes = content.joined(before, operation.body)
          setUpload(operation.id, { repository: operation.repository, bytes })
          return is({ offset: bytes.byteLength }, operation.id)
        })
      case "CompleteUpload":
        return upload(operation, (before) => {
          const bytes = content.joined(before, operation.body)
          setUpload(operation.id, undefined)
          if (content.digestOf(bytes) !== operation.digest) return fails("DigestInvalid")
          link(operation.repository, operation.digest)
          return blob(operation.digest, bytes.byteLength)
        })
      case "CancelUpload":
        return upload(operation, () => {
          setUpload(operation.id, undefined)
          return is(Operation.done)
        })
      case "PushManifest": {
        const { bytes, digest: said, ifAbsent, repository } = operation
        const digest = said === content.sha512Of(bytes) ? said : content.digestOf(bytes)
        const mediaType = MediaType.essence(operation.mediaType)
        const tags = Array.from(new Set(operation.tags))
        const { blobs, descriptor, subject, valid } = content.manifest(digest)
        if (!valid) return fails("ManifestInvalid")
        if (said !== undefined && said !== digest) return fails("DigestInvalid")
        const known = of(repository) ?? nothing
        if ((known.manifests.get(digest) ?? mediaType) !== mediaType) return fails("ManifestInvalid")
        if (blobs.some((each) => !known.blobs.has(each))) return fails("ManifestBlobUnknown")
        const elsewhere = (tag: Tag) => (known.tags.get(tag) ?? digest) !== digest
        if (ifAbsent === true && tags.some(elsewhere)) return fails("Denied")
        update(repository, (known) => ({
          manifests: new Map(known.manifests).set(digest, mediaType),
          tags: new Map([...known.tags, ...tags.map((tag) => [tag, digest] as const)])
        }))
        return is({ ...descriptor, mediaType, subject, tags })
      }
      case "DeleteBlob":
        return stored(operation.repository, operation.digest, () => {
          update(operation.repository, ({ blobs }) => ({ blobs: without(blobs, operation.digest) }))
          return is(Operation.done)
        })
      case "DeleteManifest":
        return manifest(operation.repository, operation.digest, ({ digest }) => {
          update(operation.repository, ({ manifests, tags }) => ({
            manifests: new Map(Array.from(manifests).filter(([each]) => each !== digest)),
            tags: new Map(Array.from(tags).filter(([, each]) => each !== digest))
          }))
          return is(Operation.done)
        })
      case "DeleteTag":
        return manifest(operation.repository, operation.tag, () => {
          update(operation.repository, ({ tags }) => ({
            tags: new Map(Array.from(tags).filter(([each]) => each !== operation.tag))
          }))
          return is(Operation.done)
        })
      case "ListRepositories":
        return is(page(state.repositories.keys(), operation.last, operation.limit))
      case "ListTags":
        return within(operation.repository, ({ tags }) => is(page(tags.keys(), operation.last, operation.limit)))
      case "ListReferrers": {
        const { artifactType, digest, repository } = operation
        return is(
          Array.from(of(repository)?.manifests.keys() ?? []).toSorted().map(content.manifest)
            .filter(({ subject }) => subject === digest)
            .map(({ referrer }): Descriptor => referrer)
            .filter((each) => artifactType === undefined || each.artifactType === artifactType)
        )
      }
    }
  }

  return {
    spec,
    save: () => {
      const saved = state
      return () => {
        state = saved
      }
    }
  }
}

const without = <A>(all: ReadonlySet<A>, one: A): ReadonlySet<A> => {
  const rest = new Set(all)
  rest.delete(one)
  return rest
}
