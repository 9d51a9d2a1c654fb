import * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import type * as BlobStore from "../BlobStore.js"
import type * as MetadataStore from "../MetadataStore.js"

/** The errors of the two services, except the errors of bodies. */
export type Failure =
  | BlobStore.NotFound
  | BlobStore.RangeInvalid
  | BlobStore.Truncated
  | BlobStore.UploadUnknown
  | BlobStore.OffsetMismatch
  | BlobStore.BodyBroken
  | BlobStore.Full
  | BlobStore.Failed
  | MetadataStore.RepositoryUnknown
  | MetadataStore.BlobUnknown
  | MetadataStore.ManifestUnknown
  | MetadataStore.ContentUnknown
  | MetadataStore.TagTaken
  | MetadataStore.TypeTaken
  | MetadataStore.UploadUnknown
  | MetadataStore.OffsetMismatch
  | MetadataStore.TooManyUploads
  | MetadataStore.Full
  | MetadataStore.Failed

/** The maximum number of missing digests in an error: the answer must not be larger than the request. */
const maxDetail = 100

/** Converts a failure to the error of `operation`. */
export const of =
  (operation: Operation.Operation) => (failure: Failure | RegistryError.RegistryError): RegistryError.RegistryError => {
    if (RegistryError.isRegistryError(failure)) return completed(operation, failure)
    const fields = Operation.errorFields(operation)
    switch (failure._tag) {
      case "RepositoryUnknown":
        return new RegistryError.NameUnknown(fields)
      case "NotFound":
      case "Truncated":
        return new RegistryError.Unavailable({
          ...fields,
          reason: "the content of the blob is missing from the store",
          cause: failure
        })
      case "BlobUnknown":
        return new RegistryError.BlobUnknown(fields)
      case "ManifestUnknown":
        return new RegistryError.ManifestUnknown(fields)
      case "ContentUnknown": {
        const [first, ...others] = failure.digests
        return new RegistryError.ManifestBlobUnknown({
          ...fields,
          reason: `manifest references content unknown to repository: ${first}${
            others.length === 0 ? "" : ` and ${others.length} more`
          }`,
          detail: failure.digests.slice(0, maxDetail).map((digest) => ({ digest }))
        })
      }
      case "TagTaken":
        return new RegistryError.Denied({
          ...fields,
          reason: failure.digest === undefined
            ? `tag "${failure.tag}" does not exist`
            : `tag "${failure.tag}" exists and points at ${failure.digest}`,
          detail: { tag: failure.tag, ...(failure.digest === undefined ? {} : { digest: failure.digest }) }
        })
      case "TypeTaken":
        return new RegistryError.ManifestInvalid({
          ...fields,
          reason: `manifest invalid: the repository has these bytes as a manifest of type ${failure.mediaType}; push ` +
            "them with that type, or delete the manifest first"
        })
      case "UploadUnknown":
        return new RegistryError.BlobUploadUnknown(fields)
      case "OffsetMismatch":
        return new RegistryError.RangeInvalid({
          ...fields,
          reason: `the upload session is at byte ${failure.offset}; continue there`,
          size: failure.offset
        })
      case "RangeInvalid":
        return new RegistryError.RangeInvalid({ ...fields, size: failure.size })
      case "TooManyUploads":
        return new RegistryError.TooManyRequests({
          ...fields,
          reason: "too many upload sessions are open; finish or cancel some, or try again later"
        })
      case "BodyBroken":
        return completed(operation, failure.cause)
      case "Full":
        return new RegistryError.Denied({ ...fields, reason: "the store is full; delete content first" })
      case "Failed":
        return new RegistryError.Unavailable({ ...fields, cause: failure })
    }
  }

/** Adds the fields of its operation to an error that has none, such as the error of a verified body. */
export const completed = (
  operation: Operation.Operation,
  error: RegistryError.RegistryError
): RegistryError.RegistryError =>
  error.operation === undefined ? RegistryError.withFields(error, Operation.errorFields(operation)) : error
