import * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import type { StoreError } from "../StoreError.js"

/** The maximum number of missing digests in an error: the answer must not be larger than the request. */
const maxDetail = 100

/** Converts a failure to the error of `operation`. */
export const of =
  (operation: Operation.Operation) =>
  (failure: StoreError | RegistryError.RegistryError): RegistryError.RegistryError => {
    if (RegistryError.isRegistryError(failure)) return completed(operation, failure)
    const fields = Operation.errorFields(operation)
    switch (failure._tag) {
      case "OciStoreRepositoryUnknown":
        return new RegistryError.NameUnknown(fields)
      case "OciStoreNotFound":
      case "OciStoreTruncated":
        return new RegistryError.Unavailable({
          ...fields,
          reason: "the content of the blob is missing from the store",
          cause: failure
        })
      case "OciStoreBlobUnknown":
        return new RegistryError.BlobUnknown(fields)
      case "OciStoreManifestUnknown":
        return new RegistryError.ManifestUnknown(fields)
      case "OciStoreContentUnknown": {
        const [first, ...others] = failure.digests
        return new RegistryError.ManifestBlobUnknown({
          ...fields,
          reason: `manifest references content unknown to repository: ${first}${
            others.length === 0 ? "" : ` and ${others.length} more`
          }`,
          detail: failure.digests.slice(0, maxDetail).map((digest) => ({ digest }))
        })
      }
      case "OciStoreTagTaken":
        return new RegistryError.Denied({
          ...fields,
          reason: failure.digest === undefined
            ? `tag "${failure.tag}" does not exist`
            : `tag "${failure.tag}" exists and points at ${failure.digest}`,
          detail: { tag: failure.tag, ...(failure.digest === undefined ? {} : { digest: failure.digest }) }
        })
      case "OciStoreTypeTaken":
        return new RegistryError.ManifestInvalid({
          ...fields,
          reason: `manifest invalid: the repository has these bytes as a manifest of type ${failure.mediaType}; push ` +
            "them with that type, or delete the manifest first"
        })
      case "OciStoreUploadUnknown":
        return new RegistryError.BlobUploadUnknown(fields)
      case "OciStoreOffsetMismatch":
        return new RegistryError.RangeInvalid({
          ...fields,
          reason: `the upload session is at byte ${failure.offset}; continue there`,
          size: failure.offset
        })
      case "OciStoreStale":
        return new RegistryError.RangeInvalid({
          ...fields,
          reason: "another request continues the upload session; get its offset, and continue there"
        })
      case "OciStoreRangeInvalid":
        return new RegistryError.RangeInvalid({ ...fields, size: failure.size })
      case "OciStoreTooManyUploads":
        return new RegistryError.TooManyRequests({
          ...fields,
          reason: "too many upload sessions are open; finish or cancel some, or try again later"
        })
      case "OciStoreBodyBroken":
        return completed(operation, failure.cause)
      case "OciStoreDigestWrong":
        return new RegistryError.DigestInvalid({ ...fields, reason: "content does not match its digest" })
      case "OciStoreReferenced":
        return new RegistryError.Unsupported({
          ...fields,
          reason: `manifest ${failure.by} of the repository refers to this content; delete that manifest first`
        })
      case "OciStoreFull":
        return new RegistryError.Denied({ ...fields, status: 507, reason: "the store is full; delete content first" })
      case "OciStoreFailed":
      case "OciStoreOutcomeUnknown":
        return new RegistryError.Unavailable({ ...fields, cause: failure })
    }
  }

/** Adds the fields of its operation to an error that has none, such as the error of a verified body. */
export const completed = (
  operation: Operation.Operation,
  error: RegistryError.RegistryError
): RegistryError.RegistryError =>
  error.operation === undefined ? RegistryError.withFields(error, Operation.errorFields(operation)) : error
